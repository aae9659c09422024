"""The parts of the demo put together, against a small application."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.demo import play as play_module
from redis_pool_ext.demo.compare import COMMANDS, POOL, ROUNDS, Result
from redis_pool_ext.demo.example import Example
from redis_pool_ext.demo.failure import DemoError
from redis_pool_ext.demo.interrupts import Interrupts
from redis_pool_ext.demo.logbook import logbook
from redis_pool_ext.demo.play import play
from redis_pool_ext.demo.run import Options

from .stand_in import StandIn

ONCE = Options(once=True)


@pytest.fixture(autouse=True)
def _in_place_of_the_slow_part(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the comparison for done, as it should be; let the log speak again afterwards."""
    results = (Result((1.0,), COMMANDS * ROUNDS), Result((0.1,), POOL))
    monkeypatch.setattr(play_module, "compare", lambda _server, _look: results)
    monkeypatch.delenv("REDIS_URL", raising=False)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def application(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The application that the demo finds in place of an example."""
    with RedisPool.from_url(url, max_connections=2, timeout=1.0) as pool:
        application = StandIn(pool)

        def load(_framework: str, _url: str) -> Example:
            return application.example

        monkeypatch.setattr(play_module, "load", load)
        yield application


def test_once_ends_after_the_tables(
    application: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both parts are shown, and nothing is served on."""
    play(ONCE, "django", Interrupts())
    printed = capsys.readouterr().out
    assert "stand-in on waitress" in printed
    assert "12 x 503" in printed
    assert "Stop" not in printed


def test_burst_without_503_ends_the_demo_with_a_sentence(
    application: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables are printed all the same, so that one sees what happened instead."""
    application.full_status = "500 Internal Server Error"
    with pytest.raises(DemoError, match="Nobody was answered 503"):
        play(ONCE, "django", Interrupts())
    assert "0 x 503" in capsys.readouterr().out


def test_too_many_connections_of_the_pool_end_the_demo_with_a_sentence(
    application: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server of our own they are counted exactly."""
    results = (Result((1.0,), COMMANDS * ROUNDS), Result((0.1,), POOL + 1))
    monkeypatch.setattr(play_module, "compare", lambda _server, _look: results)
    with pytest.raises(DemoError, match=f"A pool of {POOL} opened {POOL + 1} connections"):
        play(ONCE, "django", Interrupts())


def test_connections_on_a_shared_server_are_not_judged(
    application: StandIn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others connect there, too: what they do is not the pool's fault."""
    results = (Result((1.0,), COMMANDS * ROUNDS), Result((0.1,), POOL + 1))
    monkeypatch.setattr(play_module, "compare", lambda _server, _look: results)
    play(Options(once=True, redis_url=url), "django", Interrupts())


def test_redis_url_of_the_environment_is_used(
    application: StandIn,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Unless the command line names another one."""
    monkeypatch.setenv("REDIS_URL", url)
    play(ONCE, "django", Interrupts())
    assert f"the server at {url}" in capsys.readouterr().out


def test_log_lines_are_kept_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """During the burst they do not scroll through the bars; afterwards they go where they went."""
    logger = logging.getLogger("redis_pool_ext")
    with logbook() as lines:
        logger.warning("%s: full", "default")
    logger.warning("later")
    assert lines == ["default: full"]
    assert logger.propagate
    assert capsys.readouterr().err == ""
