"""What docs/typing.md shows of Flask."""

from flask import Flask, g

from redis_pool_ext.client import LeasedRedis
from redis_pool_ext.flask import current_redis, redis_optional

app = Flask(__name__)


@app.get("/")
@redis_optional(default=b"many")
def index() -> str:
    visits = current_redis.get("visits")  # bytes | str | None
    return f"{visits!r}, {current_redis.is_degraded}"


@app.get("/g")
def on_g() -> str:
    client: LeasedRedis = g.redis  # Any, until it is given a type
    return str(client.incr("hits"))
