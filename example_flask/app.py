"""The application, put together lesson by lesson. Nothing connects to Redis here."""

from __future__ import annotations

from flask import Flask

from redis_pool_ext.flask import FlaskRedisPool

from . import lesson_5_watch, security, settings
from .answers import pages
from .lesson_1_counter import lesson as lesson_1
from .lesson_2_ballot import lesson as lesson_2
from .lesson_3_full_pool import lesson as lesson_3
from .lesson_4_needs import lesson as lesson_4
from .lesson_6_background import lesson as lesson_6
from .sessions import RedisSessions

redis_pool = FlaskRedisPool()


def create_app() -> Flask:
    """Return the application; raises `EnvironmentVariableError` for what the settings lack."""
    app = Flask(__name__)
    app.config.from_mapping(settings.read())
    app.session_interface = RedisSessions()
    redis_pool.init_app(app)
    app.before_request(security.refuse_other_sites)
    app.after_request(security.add_headers)
    for blueprint in (pages, lesson_1, lesson_2, lesson_3, lesson_4, lesson_6):
        app.register_blueprint(blueprint)
    lesson_5_watch.add_views(app)
    return app
