"""Ctrl-C and `kill`."""

from __future__ import annotations

import os
import signal

import pytest

from redis_pool_ext.demo.interrupts import SIGNALS, Interrupts

pytestmark = pytest.mark.usefixtures("_handlers")


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_interrupts_once(number: signal.Signals) -> None:
    """The first one raises; a second one does not disturb the cleaning up."""
    cleaned = False
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            cleaned = True
    assert cleaned
    assert interrupts.number == number


def test_signal_in_a_held_block_strikes_at_its_end() -> None:
    """What must not be cut in two is finished first."""
    finished = False
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.held():
        os.kill(os.getpid(), signal.SIGTERM)
        finished = True
    assert finished


def test_error_in_a_held_block_is_not_replaced() -> None:
    """An error matters more than the signal that came in its time."""
    with Interrupts() as interrupts, pytest.raises(ZeroDivisionError), interrupts.held():
        os.kill(os.getpid(), signal.SIGTERM)
        _ = 1 / 0


def test_ignored_hangup_stays_ignored() -> None:
    """Under `nohup` the demo outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts():
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_ignored_ctrl_c_is_heard_nevertheless() -> None:
    """A script's `demo &` starts with SIGINT ignored, and `kill -INT` has to end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back_when_nothing_struck() -> None:
    """Without an interruption the signals mean what they meant before."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_signals_are_ignored_after_an_interruption() -> None:
    """An impatient second Ctrl-C does not hit the interpreter while it ends."""
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
