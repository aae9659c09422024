"""Settings: no database at all. What there is to remember, Redis remembers."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE = Path(__file__).resolve().parent

DEBUG = os.environ.get("DEBUG", "") in ("1", "true", "yes")
# A random key ends all sessions at each start, and differs between processes: set one.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

REDIS_POOLS = {
    "default": {
        "URL": os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
        # Far too few, and far too impatient, so that you see what happens then.
        "MAX_CONNECTIONS": int(os.environ.get("POOL_MAX_CONNECTIONS", "4")),
        "TIMEOUT": float(os.environ.get("POOL_TIMEOUT", "1.0")),
        "OPTIONS": {"decode_responses": True, "socket_timeout": 1.0},
    },
}

INSTALLED_APPS = ["redis_pool_ext.django"]
MIDDLEWARE = [
    "example_django.middleware.security_headers",
    "redis_pool_ext.django.middleware.RedisPoolMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
# The status page at /redis-pool/. Without django.contrib.auth nobody is staff.
REDIS_POOL_STATUS_GUARD = "example_django.guard.is_local"
SESSION_ENGINE = "example_django.sessions"
DATABASES = {}

ROOT_URLCONF = "example_django.urls"
WSGI_APPLICATION = "example_django.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "OPTIONS": {"builtins": ["example_django.tags"]},
    },
]
STATIC_URL = "/static/"
TIME_ZONE = "UTC"
