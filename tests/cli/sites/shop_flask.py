"""A Flask application; REDIS_URL says where the server is."""

import os
import threading

from flask import Flask, request

from redis_pool_ext.flask import FlaskRedisPool, current_redis

app = Flask(__name__)
app.config["REDIS_POOLS"] = {
    "default": {"URL": os.environ["REDIS_URL"], "MAX_CONNECTIONS": 2, "TIMEOUT": 0.2},
    "spare": os.environ["REDIS_URL"],
}
FlaskRedisPool(app)


@app.get("/hit")
def hit() -> str:
    return str(current_redis.incr("hits"))


@app.get("/hold")
def hold() -> str:
    current_redis.incr("held")
    threading.Event().wait(float(request.args["seconds"]))
    return "held"


@app.get("/report")
def report() -> str:
    current_redis.incr("held")
    while not os.path.exists(request.args["until"]):
        threading.Event().wait(0.02)
    return "report"
