"""The status that the demo ends with."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_pool_ext.demo import run as run_module
from redis_pool_ext.demo.failure import DemoError
from redis_pool_ext.demo.interrupts import SIGNALS
from redis_pool_ext.demo.run import Options, run

pytestmark = pytest.mark.usefixtures("_handlers")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Put something else in the demo's place."""

    def replace(happens: Callable[[], object]) -> None:
        def stand_in(*_args: Any) -> None:
            happens()

        monkeypatch.setattr(run_module, "_run", stand_in)

    return replace


def interrupt(number: int) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


def fail(error: Exception) -> None:
    """Raise."""
    raise error


def test_demo_that_ends_by_itself_has_status_0(play: Any) -> None:
    """Nothing happened."""
    play(lambda: None)
    assert run(Options(once=True)) == 0


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (DemoError("Nobody came."), 1, "Nobody came.\n"),
        (DemoError("No library.", status=2), 2, "No library.\n"),
        (redis.ResponseError("NOPERM"), 1, "Redis refuses: NOPERM\n"),
    ],
)
def test_failure_is_a_sentence_and_a_status(
    error: Exception, status: int, sentence: str, play: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What went wrong is said on stderr, without a traceback."""
    play(lambda: fail(error))
    assert run(Options(once=True)) == status
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("number", SIGNALS)
def test_stopped_while_serving_has_status_0(
    number: int, play: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Being stopped is how the serving form ends."""
    play(lambda: interrupt(number))
    assert run(Options()) == 0
    assert capsys.readouterr().out == "Stopped.\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_cut_short_with_once_has_the_status_of_the_signal(number: int, play: Any) -> None:
    """The tables were owed; a script must not take this for success."""
    play(lambda: interrupt(number))
    assert run(Options(once=True)) == 128 + number
