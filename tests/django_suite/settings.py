"""The settings of Django's tests, with its own Redis backend as they expect to find it."""

from __future__ import annotations

import os

SECRET_KEY = "only for tests"
USE_TZ = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    for name in ("default", "other")
}
URL = os.environ["REDIS_POOL_EXT_SUITE_URL"]

REDIS_POOLS = {"default": {"URL": URL, "MAX_CONNECTIONS": 4}}
CACHES = {
    "default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"},
    # Where there is none, Django leaves its tests of Redis out, and ours are made of them.
    "django's": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": URL},
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "redis_pool_ext.django",
    "cache",
    "sessions_tests",
]
MIDDLEWARE: list[str] = []
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
