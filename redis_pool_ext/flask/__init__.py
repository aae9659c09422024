"""The Flask wing: settings from `app.config`, one lease per request, 503 when there is none.

redis_pool = FlaskRedisPool(app)

@app.get("/")
def index():
    return str(current_redis.incr("hits"))
"""

from .decorators import redis_alias, redis_optional, redis_required
from .extension import FlaskRedisPool
from .proxy import current_redis

__all__ = ["FlaskRedisPool", "current_redis", "redis_alias", "redis_optional", "redis_required"]
