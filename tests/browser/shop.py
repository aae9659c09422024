"""A shop under load, for pictures of its status page: `gunicorn tests.browser.shop:app`."""

from __future__ import annotations

import os
import random
import time

from flask import Flask, abort

from redis_pool_ext.flask import FlaskRedisPool, current_redis, redis_alias
from redis_pool_ext.flask.status import blueprint
from redis_pool_ext.status.desk import open_desk_when_serving

app = Flask("shop")
app.config["REDIS_POOLS"] = {
    "default": {
        "URL": os.environ["REDIS_URL"],
        "MAX_CONNECTIONS": 4,
        "TIMEOUT": 0.5,
        "OPTIONS": {"client_name": "shop", "socket_timeout": 1.0},
    },
    "reports": {
        "URL": os.environ["REDIS_URL"],
        "MAX_CONNECTIONS": 3,
        "TIMEOUT": 5.0,
        "OPTIONS": {"client_name": "shop-reports", "socket_timeout": 5.0},
    },
}
redis_pool = FlaskRedisPool(app)
app.register_blueprint(blueprint(guard=lambda: True), url_prefix="/redis-pool")
open_desk_when_serving()


def hold(seconds: float) -> None:
    """Keep the connection for about so long, as a view does that computes in between."""
    time.sleep(random.expovariate(1 / seconds))


@app.get("/product/<int:number>")
def product(number: int) -> str:
    price = current_redis.get(f"price:{number}")
    hold(0.012)
    return str(price)


@app.get("/cart")
def cart() -> str:
    current_redis.hgetall("cart")
    hold(0.025)
    return "cart"


@app.get("/search")
def search() -> str:
    current_redis.zrange("names", 0, 20)
    hold(0.3)
    return "found"


@app.get("/stock")
@redis_alias("reports")
def stock() -> str:
    current_redis.scan()
    hold(0.4)
    return "stock"


@app.get("/missing")
def missing() -> str:
    abort(404)
