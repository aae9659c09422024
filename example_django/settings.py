"""Settings: no database at all. What there is to remember, Redis remembers.

What differs from place to place comes from the environment, by `environment.py`.
"""

from importlib.util import find_spec

from example_django.environment import flag, names, required, seconds, whole

DEBUG = flag("DEBUG")
SECRET_KEY = required(
    "SECRET_KEY", "make one with  python -c 'import secrets; print(secrets.token_urlsafe(50))'"
)
ALLOWED_HOSTS = names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

REDIS_URL = required("REDIS_URL", "redis://localhost:6379/0, say")
OPTIONS = {"decode_responses": True, "socket_timeout": 1.0}
REDIS_POOLS = {
    "default": {
        "URL": REDIS_URL,
        # Far too few, and far too impatient, so that you see what happens then. In production
        # `gunicorn.conf.py` has as many as threads.
        "MAX_CONNECTIONS": whole("POOL_MAX_CONNECTIONS", 4),
        "TIMEOUT": seconds("POOL_TIMEOUT", 1.0),
        "OPTIONS": OPTIONS,
    },
    # Lesson 3: slow views among themselves.
    "reports": {"URL": REDIS_URL, "MAX_CONNECTIONS": 2, "TIMEOUT": 0.5, "OPTIONS": OPTIONS},
}
# Lesson 2: both on the request's connection.
CACHES = {"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}}
SESSION_ENGINE = "redis_pool_ext.django.sessions"
# Lesson 5: without django.contrib.auth nobody is staff. Without Redis there is still a programme,
# so a server that is away takes no worker out of the balancer.
REDIS_POOL_STATUS_GUARD = "example_django.lesson_5_watch.is_local"
REDIS_POOL_HEALTH = {"POOLS": ["default"], "DEGRADED": ["unreachable"]}

INSTALLED_APPS = ["example_django", "redis_pool_ext.django"]
MIDDLEWARE = [
    "example_django.middleware.security_headers",
    "redis_pool_ext.django.middleware.RedisPoolMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES: dict[str, object] = {}

ROOT_URLCONF = "example_django.urls"
WSGI_APPLICATION = "example_django.wsgi.application"
ASGI_APPLICATION = "example_django.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"builtins": ["example_django.tags"]},
    },
]
STATIC_URL = "/static/"
TIME_ZONE = "UTC"

# Behind a proxy that ends TLS and says so in X-Forwarded-Proto, as only a proxy should.
if flag("HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]  # balancers ask in plain HTTP
    SECURE_HSTS_SECONDS = 3600  # more, once you are sure: browsers do not forget it
    # Subdomains, and the list that browsers bring along, are for the owner of the domain to decide.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Lesson 5: for developers who have it, with our panel alone.
if DEBUG and find_spec("debug_toolbar"):
    INSTALLED_APPS += ["django.contrib.staticfiles", "debug_toolbar"]
    MIDDLEWARE.insert(2, "debug_toolbar.middleware.DebugToolbarMiddleware")
    DEBUG_TOOLBAR_PANELS = ["redis_pool_ext.django.panel.RedisPoolPanel"]
    INTERNAL_IPS = ["127.0.0.1", "::1"]
