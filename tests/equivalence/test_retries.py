"""Commands are tried as often as redis-py tries them, with the same settings.

The dial itself is never retried on a lease: it has a deadline, and a circuit of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..faults.parsers import PARSERS
from .pairs import Pair, pair
from .recorder import Recorder, assert_same
from .replies import ERROR, ERRORS, OK
from .stub import HANG_UP, StubServer, greet

FAILURES: dict[str, bytes | None] = {
    "hang-up": HANG_UP,
    "loading": ERRORS["LOADING"],
    "error": ERROR,
    "not the protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "no retries": {"retry": Retry(NoBackoff(), 0)},
    "one": {"retry": Retry(NoBackoff(), 1)},
    "three": {"retry": Retry(NoBackoff(), 3)},
    "three, of some errors": {"retry": Retry(NoBackoff(), 3, (redis.BusyLoadingError,))},
    "on timeout": {"retry_on_timeout": True},
    "on timeout, and two": {"retry_on_timeout": True, "retry": Retry(NoBackoff(), 2)},
    "on error": {"retry_on_error": [redis.ResponseError]},
    "on error, and two": {
        "retry_on_error": [redis.ResponseError],
        "retry": Retry(NoBackoff(), 2),
    },
    "on no error": {"retry_on_error": []},
}


NO_REPLY = {"timeout": None}


class Flaky:
    """Fails for so many commands, and then answers."""

    def __init__(self, stub: StubServer, failure: bytes | None) -> None:
        self._failure = failure
        self._left = 0
        stub.reply = self

    def fail(self, times: int) -> None:
        self._left = times

    def __call__(self, _words: list[bytes]) -> bytes | None:
        self._left -= 1
        return self._failure if self._left >= 0 else OK


def compare(
    stub: StubServer, both: Pair, failure: str, calls, times_to_fail: Iterable[int] = range(6)
) -> None:
    """Do the same calls on both, when so many of the next commands fail."""
    flaky = Flaky(stub, (FAILURES | NO_REPLY)[failure])
    logs = []
    for client in both:
        client.ping()
        seen = []
        for times in times_to_fail:
            recorder = Recorder(client)
            stub.forget()
            flaky.fail(times)
            calls(recorder)
            flaky.fail(0)
            client.ping()
            seen.append((times, [call.outcome for call in recorder.log], list(stub.received)))
        logs.append(seen)
    for mine, other in zip(*logs, strict=True):
        assert mine == other


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("failure", FAILURES)
def test_command_is_sent_as_often(stub, setting, failure):
    """And ends with the same reply, or the same error."""
    with pair(stub.url, protocol=3, **SETTINGS[setting]) as both:
        compare(stub, both, failure, lambda r: r.set("k", "v"))


@pytest.mark.parametrize(
    "setting", ["none", "one", "three, of some errors", "on timeout", "on timeout, and two"]
)
@pytest.mark.parametrize("parser", ["resp2-python", "resp3-hiredis"])
def test_command_is_sent_as_often_when_no_reply_comes(stub, setting, parser):
    """A timeout is retried where the settings say so."""
    with pair(stub.url, socket_timeout=0.2, **PARSERS[parser], **SETTINGS[setting]) as both:
        compare(stub, both, "timeout", lambda r: r.set("k", "v"), times_to_fail=(1, 3))


def pipeline(transaction, r):
    p = r.on("pipeline", transaction)
    p.set("k", "v")
    p.get("k")
    p.execute()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("transaction", [True, False])
def test_pipeline_is_sent_as_often(stub, setting, transaction):
    """As a whole."""

    with pair(stub.url, protocol=2, **SETTINGS[setting]) as both:
        compare(stub, both, "hang-up", partial(pipeline, transaction))


@pytest.mark.parametrize("setting", SETTINGS)
def test_command_of_a_pipeline_that_fails_is_sent_as_often(stub, setting):
    """An error among the replies is the whole pipeline's, or is in its place."""

    with pair(stub.url, protocol=2, **SETTINGS[setting]) as both:
        compare(stub, both, "error", partial(pipeline, False))


@pytest.mark.parametrize("parser", PARSERS)
def test_retry_that_is_set_later_counts(stub, parser):
    """On the client, for all that share its pool."""
    with pair(stub.url, **PARSERS[parser]) as both:
        for client in both:
            client.ping()
            client.set_retry(Retry(NoBackoff(), 2))
            assert client.get_retry() == Retry(NoBackoff(), 2)
        compare(stub, both, "hang-up", lambda r: r.set("k", "v"))


def test_retry_of_the_options_is_what_the_client_says(stub):
    """`get_retry()` returns it."""
    with pair(stub.url, retry=Retry(NoBackoff(), 4)) as (ours, theirs):
        assert ours.get_retry() == theirs.get_retry() == Retry(NoBackoff(), 4)


def test_error_of_a_callback_is_not_retried(stub):
    """Unless the settings say that errors of its class are."""
    calls = []

    def callback(_reply):
        calls.append(1)
        raise redis.ResponseError("the callback's own")

    for settings in (SETTINGS["three"], SETTINGS["on error, and two"]):
        with pair(stub.url, **settings) as (ours, theirs):
            logs, counts = [], []
            for client in (ours, theirs):
                client.set_response_callback("GET", callback)
                recorder = Recorder(client)
                recorder.get("k")
                recorder.set("k", 1)
                logs.append(recorder.log)
                counts.append(len(calls))
                calls.clear()
        assert_same(*logs)
        assert counts[0] == counts[1]


class Healthy:
    """Answers handshakes and health checks, the next one with `ill`; remembers the rest."""

    def __init__(self, stub: StubServer) -> None:
        self.ill: bytes | None = None
        self.sent: list[list[bytes]] = []
        stub.reply = self

    def __call__(self, words: list[bytes]) -> bytes:
        if words[0] in (b"HELLO", b"CLIENT"):
            return greet(words)
        self.sent.append(words)
        if words != [b"PING"]:
            return OK
        ill, self.ill = self.ill, None
        return ill or b"+PONG\r\n"


# Seconds: the time for a check has come at every command.
AT_ONCE = 1e-9


@pytest.mark.parametrize("parser", PARSERS)
def test_health_checks_are_sent_the_same(stub, parser):
    """Before each command after the interval: PING, then the command."""
    with pair(stub.url, health_check_interval=AT_ONCE, **PARSERS[parser]) as (ours, theirs):
        server = Healthy(stub)
        sent = []
        for client in (ours, theirs):
            client.set("k", 0)
            server.sent = []
            for number in range(3):
                client.set("k", number)
            client.pipeline(transaction=False).set("k", 1).set("k", 2).execute()
            sent.append(list(server.sent))
    assert sent[0] == sent[1]
    assert sent[0].count([b"PING"]) == 4


@pytest.mark.parametrize("answer", [HANG_UP, ERROR, b"+WRONG\r\n"])
@pytest.mark.parametrize("setting", ["none", "one"])
def test_failed_health_check_ends_the_same(stub, answer, setting):
    """With an error, or on a new connection."""
    options = {"protocol": 2, "health_check_interval": AT_ONCE, **SETTINGS[setting]}
    with pair(stub.url, **options) as (ours, theirs):
        server = Healthy(stub)
        logs = []
        for client in (ours, theirs):
            client.set("k", 0)
            recorder = Recorder(client)
            server.ill = answer
            recorder.set("k", 1)
            recorder.set("k", 2)
            logs.append(recorder.log)
    assert_same(*logs)
