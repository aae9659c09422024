"""`[django-debug-toolbar]`: the toolbar shows our panel."""

import sys

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG_TOOLBAR_CONFIG={"RENDER_PANELS": True, "SHOW_TOOLBAR_CALLBACK": lambda _request: True},
    DEBUG_TOOLBAR_PANELS=["redis_pool_ext.django.panel.RedisPoolPanel"],
    INSTALLED_APPS=["django.contrib.staticfiles", "debug_toolbar", "redis_pool_ext.django"],
    MIDDLEWARE=[
        "redis_pool_ext.django.middleware.RedisPoolMiddleware",
        "debug_toolbar.middleware.DebugToolbarMiddleware",
    ],
    REDIS_POOLS={"default": sys.argv[1]},
    ROOT_URLCONF=__name__,
    STATIC_URL="/static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()

from debug_toolbar.toolbar import debug_toolbar_urls  # noqa: E402  it has models


def index(request):
    """Use Redis, and show a page, which the toolbar becomes part of."""
    return HttpResponse(f"<body>{request.redis.incr('django')}</body>")


urlpatterns = [path("", index), *debug_toolbar_urls()]

assert "INCR" in Client().get("/").content.decode()
