"""The circuit: when callers are refused at once, and who may look again."""

from __future__ import annotations

import random

import pytest
import redis

from redis_pool_ext.books.circuit import (
    BACKOFF_BASE,
    BACKOFF_CAP,
    FAILURES_TO_OPEN,
    FULL_PAUSE,
    Circuit,
    ServerFull,
)
from redis_pool_ext.books.verdict import without_traceback

NOW = 1000.0
DOWN = redis.ConnectionError("refused")
FULL = redis.ConnectionError("max number of clients reached")


def run(events: str) -> Circuit:
    """Return a circuit after events at the moment NOW.

    f: a dial failed; s: one succeeded; p: a dial begins, in slot 1; e: the dial in slot 1
    is over; w: the backoff has passed.
    """
    circuit = Circuit()
    steps = {
        "f": lambda: circuit.failed(NOW, DOWN),
        "s": circuit.succeeded,
        "p": lambda: circuit.begin(1),
        "e": lambda: circuit.let_go(1),
        "w": lambda: setattr(circuit, "next_probe", NOW),
    }
    for event in events:
        steps[event]()
    return circuit


class TestStates:
    """Events in, state and admission out."""

    @pytest.mark.parametrize(
        ("events", "state", "admits"),
        [
            ("", "closed", True),
            ("ff", "closed", True),
            ("pe", "closed", True),
            ("ffs", "closed", True),
            ("ffsff", "closed", True),
            ("fff", "open", False),
            ("fffw", "open", True),
            ("fffwp", "probing", False),
            ("fffwpfe", "open", False),
            ("fffwpfew", "open", True),
            ("fffwpse", "closed", True),
            ("fffwpe", "open", True),  # the prober vanished, and said nothing
            ("fffs", "closed", True),  # a dial that began before it opened
        ],
    )
    def test_events_lead_to_their_state(self, events: str, state: str, admits: bool):
        """Three failures in a row open it, one success closes it."""
        circuit = run(events)

        assert (circuit.state, circuit.admits(NOW)) == (state, admits)
        assert circuit.is_open == (state != "closed")

    def test_one_prober_at_a_time(self):
        """While one looks, everybody else is refused, however long that takes."""
        circuit = run("fffw")
        circuit.begin(1)

        assert not circuit.admits(NOW + 3600)
        circuit.let_go(2)  # another slot's end is not the prober's
        assert not circuit.admits(NOW + 3600)
        circuit.let_go(1)
        assert circuit.admits(NOW + 3600)

    def test_dial_on_a_closed_circuit_is_no_probe(self):
        """Dials of a working pool do not keep each other out."""
        circuit = run("pff")

        assert circuit.state == "closed"
        circuit.failed(NOW, DOWN)
        assert circuit.state == "open"


class TestBackoff:
    """How long until the next look."""

    @pytest.mark.parametrize("seed", range(5))
    def test_backoff_doubles_up_to_its_cap(self, seed: int):
        """Each wait is a random part of 0.1, 0.2, 0.4 ... 5 seconds."""
        random.seed(seed)
        circuit = run("f" * (FAILURES_TO_OPEN - 1))

        for step in range(100):
            circuit.failed(NOW, DOWN)
            whole = min(BACKOFF_CAP, BACKOFF_BASE * 2**step)
            assert 0 <= circuit.next_probe - NOW <= whole
            assert not circuit.admits(circuit.next_probe - 0.001)
            assert circuit.admits(circuit.next_probe)

    def test_two_circuits_do_not_look_together(self):
        """Processes that lost the server at one moment come back at different ones."""
        random.seed(1)

        assert len({run("fff").next_probe for _ in range(10)}) > 5

    def test_backoff_begins_anew_after_a_success(self):
        """An outage of yesterday does not slow down the recovery of today."""
        circuit = run("f" * 20 + "s" + "fff")

        assert circuit.next_probe - NOW <= BACKOFF_BASE


class PickyError(redis.ConnectionError):
    """An error that is not made from its `args`, as some libraries' are not."""

    def __init__(self, *, host: str) -> None:
        super().__init__(f"{host} is down")


class TestLastError:
    """What those who are refused are told."""

    def test_backoff_may_have_a_lower_bound(self, monkeypatch: pytest.MonkeyPatch):
        """Where another server takes over within seconds, nobody waits for five."""
        monkeypatch.setattr(random, "uniform", lambda _low, high: high)
        circuit = Circuit(0.5)
        for _ in range(20):
            circuit.failed(NOW, DOWN)

        assert circuit.next_probe == NOW + 0.5

    def test_last_error_is_kept_until_a_success(self):
        """It becomes the `__cause__` of the refusals."""
        circuit = run("f")

        assert repr(circuit.last_error) == repr(DOWN)
        assert str(circuit.last_error) == "refused"
        circuit.succeeded()
        assert circuit.last_error is None

    def test_kept_error_holds_no_frames(self):
        """A traceback would keep alive whatever the failed caller had in its hands."""
        circuit = Circuit()
        try:
            raise redis.ConnectionError("refused")
        except redis.ConnectionError as error:
            circuit.failed(NOW, without_traceback(error))
            assert error.__traceback__ is not None  # noqa: PT017  the caller's own is left alone

        assert circuit.last_error is not None
        assert circuit.last_error.__traceback__ is None

    def test_error_that_cannot_be_copied_is_described(self):
        """A foreign class's odd constructor does not break the books."""
        circuit = Circuit()
        circuit.failed(NOW, without_traceback(PickyError(host="h")))

        assert isinstance(circuit.last_error, redis.ConnectionError)
        assert str(circuit.last_error) == "PickyError: h is down"


class TestServerFull:
    """A server that answers, and takes no more clients."""

    def test_at_first_it_is_not_full(self):
        """As far as anybody knows."""
        full = ServerFull()

        assert full.admits(NOW)
        assert full.error is None

    @pytest.mark.parametrize("seed", range(5))
    def test_refused_dial_is_followed_by_a_pause(self, seed: int):
        """Of half a second to a second, so that processes do not knock together."""
        random.seed(seed)
        full = ServerFull()
        full.refused(NOW, FULL)

        assert FULL_PAUSE / 2 <= full.until - NOW <= FULL_PAUSE
        assert not full.admits(full.until - 0.001)
        assert full.admits(full.until)

    def test_its_words_are_kept_until_they_are_forgotten(self):
        """They become the `__cause__` of the refusals; they hold no frames."""
        full = ServerFull()
        try:
            raise FULL
        except redis.ConnectionError as error:
            full.refused(NOW, without_traceback(error))

        assert str(full.error) == "max number of clients reached"
        assert full.error.__traceback__ is None
        full.forget()
        assert full.error is None
        assert full.admits(NOW)
