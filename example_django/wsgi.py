"""What a WSGI server imports: `gunicorn --config example_django/gunicorn.conf.py`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_django.settings")

application = get_wsgi_application()
