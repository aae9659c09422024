"""The Django project of these tests, its pool of two, and the situations it meets."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any

import django
import pytest
from django.apps import apps
from django.test import Client
from django.urls import clear_url_caches, include, path
from redis import Redis

from redis_pool_ext import RedisPool, get_pool
from redis_pool_ext.testing import exhausted_pool

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_wing.project.settings"
django.setup()

from ..support.asked import asked  # noqa: E402  after django.setup()
from . import kinds  # noqa: E402
from .asgi import OURS  # noqa: E402
from .project.views import Stage  # noqa: E402
from .waits import PATIENCE, TIMEOUT  # noqa: E402

__all__ = ["TIMEOUT", "asked"]

NAME = "django-wing"

Serve = Callable[[Any], None]
Full = Callable[[], AbstractContextManager[ExitStack]]


@pytest.fixture(autouse=True)
def pool(settings: Any, url: str) -> RedisPool:
    """The pool "default": two connections, which the server knows by name."""
    settings.REDIS_POOLS = {
        "default": {
            "URL": url,
            "MAX_CONNECTIONS": 2,
            "TIMEOUT": PATIENCE,
            "OPTIONS": {"client_name": NAME},
        }
    }
    return get_pool()


@pytest.fixture(autouse=True)
def _empty_stage() -> None:
    Stage.seen = []


@pytest.fixture
def full(pool: RedisPool) -> Full:
    """A context in which somebody else holds both connections, and others wait for `TIMEOUT` only.

    Closing what it yields frees them.
    """

    @contextmanager
    def hold_all() -> Iterator[ExitStack]:
        with ExitStack() as stack:
            stack.enter_context(exhausted_pool(timeout=TIMEOUT))
            yield stack

    return hold_all


@pytest.fixture
def connected(admin: Redis) -> Callable[[], int]:
    """Counts the pool's connections, as the server sees them."""
    return lambda: sum(one["name"] == NAME for one in admin.client_list())


@pytest.fixture
def visitor() -> Client:
    """A client that gets the 500 as a browser does, instead of the view's exception."""
    return Client(raise_request_exception=False)


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """An address, with a password in it, where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"redis://someone:s3cret@127.0.0.1:{taken.getsockname()[1]}/0"


@pytest.fixture
def missing_settings(settings: Any) -> None:
    """A start of the app without REDIS_POOLS (a deletion sends no `setting_changed`)."""
    del settings.REDIS_POOLS
    apps.get_app_config("redis_pool_ext").ready()


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    kinds.runs.clear()


@pytest.fixture
def serve(settings: Any) -> Iterator[Serve]:
    """Make a view the one at "/"; our health views are below "/health/"."""
    settings.MIDDLEWARE = [OURS]
    urls = ModuleType("urls")

    def one(view: Any) -> None:
        urls.urlpatterns = [  # type: ignore[attr-defined]
            path("", view),
            path("health/", include("redis_pool_ext.django.health")),
        ]
        settings.ROOT_URLCONF = urls

    yield one
    clear_url_caches()


@pytest.fixture
def down(settings: Any, nobody_there: str, pool: RedisPool) -> None:
    """A project whose server is not there."""
    entry = {"URL": nobody_there, "TIMEOUT": 5}
    settings.REDIS_POOLS = {"default": entry, "reports": entry}
