"""Who is compared, and how each is set up; the set-up itself is in `on_django`, `on_flask`."""

from __future__ import annotations

from collections.abc import Sequence

from ..harness import RATIO, Row

__all__ = ["BARE", "FRAMEWORKS", "OURS", "who_is_faster"]

OURS, BARE = "redis_pool_ext", "no Redis"

# By framework: what each client is, ours first.
FRAMEWORKS = {
    "Django": {
        OURS: "`request.redis`, by way of the middleware",
        "redis-py": "a client of the module's own, `redis.Redis.from_url(url)`",
        "django-redis": '`get_redis_connection("default")`, the raw client',
        "django-redis, cache": "`cache.get()`, which makes the key, and unpickles the value",
        "Django's RedisCache": "`cache.get()`, which makes the key, and unpickles the value",
    },
    "Flask": {
        OURS: "`current_redis`",
        f"{OURS}, g.redis": "the same client, without the proxy",
        "redis-py": "a client of the module's own, `redis.Redis.from_url(url)`",
        "flask-redis": "`FlaskRedis(app)`",
    },
}


def who_is_faster(rows: Sequence[Row]) -> list[str]:
    """Return a remark on the peers that need less time than we do, if there are any."""
    faster = [
        f"{row.name} ({row.group}: {row.values[RATIO]:.2f} of our time)"
        for row in rows
        if row.values[RATIO] < 1 and not row.name.startswith(OURS)
    ]
    if not faster:
        return []
    return [
        f"Faster than ours: {', '.join(faster)}. What they save is what a request of ours pays "
        "once, its scope and its lease: begun, named, ended. It buys one connection per request, "
        "clean when it comes back; each command saves a part of it."
    ]
