"""The status page, served by a thread of the test: the pools that it shows are the test's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from redis_pool_ext.flask import FlaskRedisPool
from redis_pool_ext.flask.status import blueprint


class Site:
    """A web server for `application`, to be stopped and started again on its port."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._server: BaseWSGIServer | None = None
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        """Where the status page is."""
        return f"http://127.0.0.1:{self.port}/redis-pool/"

    def start(self) -> None:
        server = make_server(
            "127.0.0.1", self.port, self._application, threaded=True, request_handler=_Quiet
        )
        self._server, self.port = server, server.port
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Quiet(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        pass


@contextmanager
def serving(application: Any) -> Iterator[Site]:
    """Serve to the end of the block."""
    site = Site(application)
    try:
        yield site
    finally:
        site.stop()


def flask_app(url: str, guard: Callable[[], Any], **pools: Any) -> Flask:
    """Return an app with the page; on one pool of two connections, or on `pools`."""
    app = Flask("shop")
    default = {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 20.0}
    app.config["REDIS_POOLS"] = pools or {"default": default}
    FlaskRedisPool(app)
    app.register_blueprint(blueprint(guard=guard))
    return app


def django_app() -> Any:
    """Return the project of the wing's tests; its settings are the test's to set before."""
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def set_django_up() -> None:
    """Start Django with that project's settings, once in this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_wing.project.settings")
    import django

    django.setup()
