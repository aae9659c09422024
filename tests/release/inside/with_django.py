"""`[django]`: no check complains, a view counts, the cache remembers, a full pool is a 503."""

import sys

import django
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["redis_pool_ext.django"],
    MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware"],
    CACHES={"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}},
    REDIS_POOLS={"default": {"URL": sys.argv[1], "MAX_CONNECTIONS": 1, "TIMEOUT": 0}},
    ROOT_URLCONF=__name__,
)


def index(request):
    """Count, and remember."""
    cache.set("hits", request.redis.incr("django"))
    return HttpResponse(cache.get("hits"))


urlpatterns = [path("", index)]

django.setup()
call_command("check", fail_level="WARNING")
assert Client().get("/").content == b"1"

from redis_pool_ext import get_pool  # noqa: E402  as in a task: after the settings

with get_pool().lease() as taken:
    taken.ping()
    answer = Client(raise_request_exception=False).get("/")
assert (answer.status_code, "Retry-After" in answer) == (503, True)
