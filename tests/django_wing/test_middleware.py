"""One request, one scope: what it takes, and that it gives it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.test import Client
from redis import Redis

from redis_pool_ext import LeaseError, RedisPool, close_pools
from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.process import pools
from redis_pool_ext.scope import current_scope
from tests.support.threads import spawn

from .project.views import Stage


def opened(admin: Redis) -> int:
    """Count the connections that the server has ever accepted."""
    total: int = admin.info("stats")["total_connections_received"]
    return total


def test_request_redis_is_a_redis_client(client: Client) -> None:
    """`request.redis` is what type checkers and libraries take it for."""
    client.get("/client_class/")
    assert isinstance(Stage.seen[0], redis.Redis)


def test_view_without_redis_makes_no_pool(client: Client) -> None:
    """What a request does not use it does not pay for."""
    client.get("/quiet/")  # loads the middleware, which looks whether there is one
    close_pools()
    client.get("/quiet/")
    assert pools() == []


def test_client_kept_beyond_its_request_says_so(client: Client) -> None:
    """`request.redis` after the end raises, instead of talking on somebody's connection."""
    client.get("/client_class/")
    with pytest.raises(LeaseError, match="has ended with its request"):
        Stage.seen[0].ping()


def test_threads_in_turn_open_one_connection(admin: Redis, connected: Callable[[], int]) -> None:
    """Twenty requests from twenty threads, one after the other, share one connection."""
    before = opened(admin)
    answers = [spawn(lambda: Client().get("/hits/").content).result() for _ in range(20)]
    assert answers[-1] == b"20"
    assert opened(admin) == before + 1
    assert connected() == 1


def test_everything_in_a_request_shares_one_connection(
    client: Client, admin: Redis, pool: RedisPool
) -> None:
    """request.redis, get_redis(), lease_scope() and the session are one connection."""
    before = opened(admin)
    first, *others = client.get("/everything/").json()["ids"]
    assert others == [first, first]
    assert len(admin.keys("session:*")) == 1
    assert opened(admin) == before + 1
    assert pool.stats().acquired == 1


def test_request_leaves_its_scope(client: Client) -> None:
    """After a request there is no current scope, also not after a streaming one."""
    client.get("/hits/")
    response = client.get("/stream_begun/")
    assert current_scope() is None
    response.close()


@pytest.mark.parametrize("path", ["/raises/", "/missing/", "/wrong_command/"])
def test_failed_request_gives_its_connection_back(
    visitor: Client, pool: RedisPool, path: str
) -> None:
    """A view that raises, or none at all, leaves nothing taken."""
    visitor.get(path)
    assert pool.stats().in_use == 0
    assert current_scope() is None


def test_exit_in_a_view_gives_its_connection_back(client: Client, pool: RedisPool) -> None:
    """What Django turns into no response (SystemExit, a worker's timeout) ends the lease."""
    with pytest.raises(SystemExit):
        client.get("/exits/")
    assert pool.stats().acquired == 1
    assert pool.stats().in_use == 0
    assert current_scope() is None


@pytest.mark.parametrize(
    ("path", "view"), [("/dirty/", "views.dirty"), ("/dirty_class/", "views.DirtyView")]
)
def test_dirty_return_names_the_view(
    client: Client, caplog: pytest.LogCaptureFixture, path: str, view: str
) -> None:
    """A connection that comes back in another database is closed; the log says from where."""
    client.get(path)
    assert caplog.messages == [
        "default: connection closed instead of reused: left in SELECT, "
        f"by GET {path} (tests.django_wing.project.{view})"
    ]


def test_wrong_settings_do_not_load(settings: Any) -> None:
    """A server that starts without checks fails at once, with the setting's name."""
    settings.REDIS_POOLS = {"default": {"URL": "redis://x:s3cret@localhost", "TIMEOT": 1}}
    with pytest.raises(ImproperlyConfigured, match=r"\['TIMEOT'\].*did you mean 'TIMEOUT'") as info:
        get_wsgi_application()
    assert "s3cret" not in str(info.value)


@pytest.mark.usefixtures("missing_settings")
def test_missing_settings_do_not_load() -> None:
    """Without REDIS_POOLS the error says what to set, and where."""
    with pytest.raises(ImproperlyConfigured, match="set REDIS_POOLS in Django's settings"):
        get_wsgi_application()


def test_middleware_without_its_app_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """The middleware alone would answer 500 to a full pool, so it asks for the app."""
    monkeypatch.setattr(apps, "is_installed", lambda _name: False)
    with pytest.raises(ImproperlyConfigured, match=r'add "redis_pool_ext\.django"'):
        RedisPoolMiddleware(lambda _request: None)
