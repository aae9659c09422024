"""Settings of the test project; each test sets `REDIS_POOLS` to a pool of its own."""

from pathlib import Path

import django

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["*"]
ADMINS = ["admin@example.com"] if django.VERSION >= (6,) else [("Admin", "admin@example.com")]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # Django 6.1
INSTALLED_APPS = ["redis_pool_ext.django"]
MIDDLEWARE = [
    "redis_pool_ext.django.middleware.RedisPoolMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
]
SESSION_ENGINE = "tests.django_wing.project.sessions"
ROOT_URLCONF = "tests.django_wing.project.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
    }
]
REDIS_POOLS: dict[str, object] = {}
