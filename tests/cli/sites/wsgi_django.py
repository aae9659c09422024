"""What gunicorn serves of the Django project."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.cli.sites.shop_django"
application = get_wsgi_application()
