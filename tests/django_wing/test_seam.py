"""Our errors become 503 wherever they are raised; nobody else's do."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import pytest
from django.core import mail
from django.core.handlers import exception as handlers
from django.test import Client
from redis import Redis

from redis_pool_ext import RedisPool
from redis_pool_ext.django import seam
from tests.support.records import but_waits

from .conftest import TIMEOUT, Full
from .project.views import Stage

OURS = "redis_pool_ext.django.middleware.RedisPoolMiddleware"
USES_REDIS = "tests.django_wing.project.middleware.uses_redis"

EVERYWHERE = pytest.mark.parametrize("path", ["/hits/", "/lazy_template/", "/writes_session/"])


@EVERYWHERE
def test_full_pool_answers_503_in_time(client: Client, full: Full, path: str) -> None:
    """A view, a lazily rendered template and the session middleware all answer 503."""
    with full():
        began = monotonic()
        response = client.get(path)
        took = monotonic() - began
    assert response.status_code == 503
    assert int(response["Retry-After"]) >= 1
    assert took < TIMEOUT + 0.3


def test_request_that_goes_on_after_a_refusal_waits_no_second_time(
    client: Client, full: Full, pool: RedisPool
) -> None:
    """Four commands on a full pool cost one TIMEOUT, not four."""
    with full():
        assert client.get("/stubborn/").status_code == 503
        assert pool.stats().wait_seconds < 2 * TIMEOUT
    assert pool.stats().timed_out == 4


@EVERYWHERE
def test_full_pool_freed_answers_200(
    client: Client, full: Full, pool: RedisPool, path: str
) -> None:
    """Once connections come back, so do answers, and nothing stays taken."""
    with full():
        assert client.get(path).status_code == 503
    assert client.get(path).status_code == 200
    assert pool.stats().in_use == 0


def test_view_without_redis_answers_while_the_pool_is_full(
    client: Client, full: Full, pool: RedisPool
) -> None:
    """A request that never talks to Redis neither waits nor takes a connection."""
    with full():
        assert client.get("/quiet/").status_code == 200
        assert pool.stats().waited == 0


@pytest.mark.parametrize("order", [(USES_REDIS, OURS), (OURS, USES_REDIS)])
def test_other_middleware_meeting_a_full_pool_answers_503(
    client: Client, full: Full, settings: Any, order: tuple[str, str]
) -> None:
    """A middleware inside ours, or before it, gets the same 503 as a view."""
    settings.MIDDLEWARE = list(order)
    with full():
        assert client.get("/quiet/").status_code == 503


def test_server_down_answers_503_and_says_so(
    client: Client, settings: Any, nobody_there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that cannot be reached is a 503 as well, but not called exhausted."""
    settings.REDIS_POOLS = {"default": {"URL": nobody_there, "TIMEOUT": TIMEOUT}}
    began = monotonic()
    with caplog.at_level(logging.INFO, "redis_pool_ext"):
        statuses = {client.get("/hits/").status_code for _ in range(5)}
    assert statuses == {503}
    assert monotonic() - began < TIMEOUT + 0.3
    assert "Redis cannot be reached" in caplog.text
    assert "no connection within" not in caplog.text


def test_503_is_no_error_in_the_log_and_no_mail(
    client: Client, full: Full, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any]
) -> None:
    """Django mails nobody; the pool warns with its holders, and the request is noted."""
    with full(), caplog.at_level(logging.DEBUG):
        client.get("/hits/")
    report, answered = but_waits(caplog.records)
    assert {record.name for record in caplog.records} == {"redis_pool_ext"}
    assert report.levelname == "WARNING"
    assert report.getMessage().startswith("default: exhausted (in_use=2")
    assert answered.levelname == "INFO"
    assert answered.getMessage().startswith("default: answered 503 to GET /hits/: no connection")
    assert mailoutbox == []


def test_debug_shows_no_technical_page(client: Client, full: Full, settings: Any) -> None:
    """With DEBUG a full pool looks as it does without: it is no bug to be debugged."""
    settings.DEBUG = True
    with full():
        response = client.get("/hits/", headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert b"Traceback" not in response.content


def test_other_errors_stay_500(
    visitor: Client, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any]
) -> None:
    """A command that Redis refuses is a mistake in the view: logged, mailed, 500."""
    assert visitor.get("/wrong_command/").status_code == 500
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(mail.outbox) == 1


def test_lease_used_after_its_end_stays_500(visitor: Client) -> None:
    """A LeaseError is the program's own mistake, not a shortage."""
    visitor.get("/client_class/")
    [late] = Stage.seen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redis_pool_ext.client.LeasedRedis.incr", lambda *_: late.get("x"))
        assert visitor.get("/hits/").status_code == 500


def test_error_wrapped_by_the_project_stays_its_own(visitor: Client, full: Full) -> None:
    """An error that the view raises from ours is not ours to answer."""
    with full():
        assert visitor.get("/wraps_the_error/").status_code == 500


def test_command_without_an_answer_stays_500(
    visitor: Client, settings: Any, admin: Redis, url: str
) -> None:
    """A command that runs into socket_timeout may have been done: that is for the view."""
    settings.REDIS_POOLS = {"default": {"URL": url, "OPTIONS": {"socket_timeout": 0.05}}}
    assert visitor.get("/hits/").status_code == 200  # connected before the server stalls
    admin.client_pause(10_000, all=False)  # only what writes
    try:
        assert visitor.get("/hits/").status_code == 500
    finally:
        admin.client_unpause()


def test_installed_twice_changes_nothing() -> None:
    """The seam is put in once, however often the app gets ready."""
    before = handlers.response_for_exception
    seam.install()
    assert handlers.response_for_exception is before
