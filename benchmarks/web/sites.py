"""Who is compared, and how each is set up; the set-up itself is in `on_django`, `on_flask`."""

from __future__ import annotations

__all__ = ["BARE", "FRAMEWORKS", "NOTES", "OURS", "OUR_CACHE", "REASONS"]

OURS, BARE = "redis_pool_ext", "no Redis"
OUR_CACHE = f"{OURS}, cache"

# Ours first.
FRAMEWORKS = {
    "Django": (
        OURS,
        OUR_CACHE,
        "redis-py",
        "django-redis",
        "django-redis, cache",
        "Django's RedisCache",
    ),
    "Flask": (OURS, f"{OURS}, g.redis", "redis-py", "flask-redis"),
}

_CACHE = "`cache.get()`, which makes the key, and unpickles the value"

NOTES = {
    OURS: "`request.redis`, by way of the middleware; in Flask `current_redis`",
    OUR_CACHE: f"{_CACHE}; on the request's lease",
    f"{OURS}, g.redis": "the same client, without the proxy",
    "redis-py": "a client of the module's own, `redis.Redis.from_url(url)`",
    "django-redis": '`get_redis_connection("default")`, the raw client',
    "django-redis, cache": _CACHE,
    "Django's RedisCache": _CACHE,
    "flask-redis": "`FlaskRedis(app)`",
}

# Why a peer can be faster: `benchmarks.middleware` tells what there is to save.
_NO_LEASE = (
    "nothing is begun, named and ended with the request, and each command may have another "
    "connection; ours pays for its scope and lease once, whatever the number of commands"
)
_NO_PROXY = f"{_NO_LEASE}; and `current_redis` is looked up anew at each of them"
REASONS = {
    f"{OURS}, g.redis": "it is looked up in no other place than `flask.g`",
    "redis-py": f"{_NO_LEASE} (in Flask, `current_redis` is looked up anew at each of them, too)",
    "django-redis": _NO_LEASE,
    "django-redis, cache": _NO_LEASE,
    "Django's RedisCache": _NO_LEASE,
    "flask-redis": _NO_PROXY,
    OUR_CACHE: "it is ours, too",
    BARE: "it asks no server",
}
