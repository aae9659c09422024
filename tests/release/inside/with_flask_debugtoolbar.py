"""`[flask-debugtoolbar]`: the toolbar shows our panel."""

import sys

from flask import Flask
from flask_debugtoolbar import DebugToolbarExtension

from redis_pool_ext.flask import FlaskRedisPool, current_redis

app = Flask(__name__)
app.config.update(
    SECRET_KEY="x",
    DEBUG_TB_ENABLED=True,
    DEBUG_TB_PANELS=["redis_pool_ext.flask.panel.RedisPoolPanel"],
    REDIS_POOLS={"default": sys.argv[1]},
)
FlaskRedisPool(app)
DebugToolbarExtension(app)


@app.get("/")
def index():
    """Use Redis, and show a page, which the toolbar becomes part of."""
    return f"<body>{current_redis.incr('flask')}</body>"


assert "INCR" in app.test_client().get("/").text
