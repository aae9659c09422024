"""A request of Django: cache, session, a throttle of REST framework, a queue of django-rq."""

from __future__ import annotations

from pathlib import Path

from .pages import Folder
from .shop import Watch

PROJECT = """
import os, sys, types
from django.conf import settings

settings.configure(
    ROOT_URLCONF="urls",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["redis_pool_ext.django", "rest_framework", "django_rq"],
    MIDDLEWARE=[
        "redis_pool_ext.django.middleware.RedisPoolMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
    ],
    REDIS_POOLS={"default": {"URL": os.environ["REDIS_URL"], "MAX_CONNECTIONS": 2, "TIMEOUT": 20}},
    CACHES={"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}},
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    RQ_QUEUES={"default": {"URL": "redis://nobody.invalid/0"}},
    REST_FRAMEWORK={
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "3/hour"},
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    },
)
import django
django.setup()

import django_rq
from django.core.cache import cache
from django.test import Client
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response
from redis_pool_ext import get_pool, shared_redis

@api_view(["GET"])
def index(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    cache.set("greeting", "hello")
    request.redis.incr("hits")
    django_rq.get_queue("default", connection=shared_redis()).enqueue(print, "a visit")
    return Response([request.session["visits"], get_pool().stats().in_use])

sys.modules["urls"] = types.ModuleType("urls")
sys.modules["urls"].urlpatterns = [path("", index)]
"""

VISITS = """
visitor = Client()
for turn in range(1, 4):
    assert visitor.get("/").json() == [turn, 1]
    assert get_pool().stats().acquired == turn
assert visitor.get("/").status_code == 429
print(get_pool().stats().created, get_pool().stats().in_use)
"""

REFUSED = """
with get_pool().lease() as one, get_pool().lease() as other:
    one.ping(), other.ping()
    get_pool().timeout = 0.1
    print(Client().get("/").status_code)
"""


def test_request_with_all_of_them_holds_one_connection(tmp_path: Path, url: str, watch: Watch):
    """The server sees one in all, and what the throttle refuses gives it back."""
    with watch:
        said = Folder(tmp_path, REDIS_URL=url).run("-c", PROJECT + VISITS)
    assert said == "1 0\n"
    assert watch.peak == 1


def test_exhausted_pool_is_503_where_the_throttle_asks_first(tmp_path: Path, url: str):
    """REST framework answers its own exceptions, and leaves ours alone."""
    said = Folder(tmp_path, REDIS_URL=url).run("-c", PROJECT + REFUSED, strictly=False)
    assert said == "503\n"


def test_queue_that_names_a_cache_of_django_redis_has_its_client(tmp_path: Path, url: str):
    """`USE_REDIS_CACHE` asks django-redis, and that asks our connection factory."""
    ours = '"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"'
    theirs = '"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "default"'
    factory = '"OPTIONS": {"CONNECTION_FACTORY": "redis_pool_ext.django.factory.ConnectionFactory"}'
    project = PROJECT.replace(ours, f"{theirs}, {factory}")
    project = project.replace('"URL": "redis://nobody.invalid/0"', '"USE_REDIS_CACHE": "default"')
    asked = """
from redis_pool_ext import lease_scope
with lease_scope():
    queue = django_rq.get_queue("default")
    queue.enqueue(print, "a visit")
    print(type(queue.connection).__name__, len(queue), get_pool().stats().in_use)
print(get_pool().stats().acquired)
"""
    said = Folder(tmp_path, REDIS_URL=url).run("-c", project + asked)
    assert said == "SharedRedis 1 1\n1\n"
