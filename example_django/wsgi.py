"""What a WSGI server imports: `waitress-serve example_django.wsgi:application`.

A server brings its own `REDIS_URL`: each of its processes would otherwise start a Redis
for itself, and count its own votes.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_django.settings")

application = get_wsgi_application()
