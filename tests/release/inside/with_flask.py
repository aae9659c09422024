"""`[flask]`: a view counts, and a full pool is a 503."""

import sys

from flask import Flask

from redis_pool_ext import get_pool
from redis_pool_ext.flask import FlaskRedisPool, current_redis

app = Flask(__name__)
app.config["REDIS_POOLS"] = {"default": f"{sys.argv[1]}?max_connections=1&timeout=0"}
FlaskRedisPool(app)


@app.get("/")
def index():
    """Count."""
    return str(current_redis.incr("flask"))


assert app.test_client().get("/").text == "1"
with app.app_context():
    pool = get_pool()
with pool.lease() as taken:
    taken.ping()
    answer = app.test_client().get("/")
assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
