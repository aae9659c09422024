"""The example applications, loaded so that they run on the demo's server and limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from ..pool import RedisPool
from ..process import get_pool
from .failure import INSTALL, DemoError
from .limits import HOLD, MAX_CONNECTIONS, TIMEOUT
from .needs import is_installed
from .serving import Application

__all__ = ["Example", "load"]


@dataclass(frozen=True, slots=True)
class Example:
    """A loaded example: what to serve, its pool, and three of its pages."""

    framework: str
    application: Application
    pool: Callable[[], RedisPool]
    slow: str = f"/report/?seconds={HOLD}"
    quick: str = "/board.json"
    status: str = "/redis-pool/"


def load(framework: str, redis_url: str) -> Example:
    """Import the example for `framework` and make its application.

    Raises `DemoError` where the package is installed without its examples.
    """
    _make_importable(f"example_{framework}")
    # The examples read these when they are imported, and refuse to start without a secret. What a
    # shell says for somebody's own project is not meant for them.
    os.environ |= {
        "SECRET_KEY": token_urlsafe(50),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DEBUG": "0",
        "HTTPS": "0",
        "REDIS_URL": redis_url,
        "POOL_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        "POOL_TIMEOUT": str(TIMEOUT),
    }
    return _django() if framework == "django" else _flask()


def _make_importable(name: str) -> None:
    """Find the example beside the package, wherever the demo was started."""
    checkout = Path(__file__).resolve().parents[2]
    if not is_installed(name) and (checkout / name).is_dir():
        sys.path.append(str(checkout))
    if not is_installed(name):
        raise DemoError(
            f"The examples are not here: {name} comes with the repository, not with the "
            f"installed package. Clone it, run {INSTALL} there, and start the demo again.",
            status=2,
        )


def _django() -> Example:
    # A shell in which somebody works on a project of their own may name its settings.
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_django.settings"
    # By name, here and below: the examples stand on top of this package, and need not be
    # there.
    application: Application = import_module("example_django.wsgi").application
    return Example("Django", application, get_pool)


def _flask() -> Example:
    app: Any = import_module("example_flask.app").create_app()

    def pool() -> RedisPool:
        with app.app_context():  # the application's own pool comes first there
            return get_pool()

    return Example("Flask", app, pool)
