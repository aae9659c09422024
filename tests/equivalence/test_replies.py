"""Replies of all kinds are read the same, and leave the same behind."""

from __future__ import annotations

import threading

import pytest
import redis

from ..faults.parsers import PARSERS
from .pairs import CONFIGURATIONS, pair
from .recorder import Recorder, assert_same
from .replies import BROKEN, ERRORS, LARGE, OK, PUSHED, bulk, for_protocol
from .stub import StubServer
from .test_wire import talk

# By design: the server is a replica by now, so the lease dials anew; redis-py stays.
RENEWING = ("READONLY",)


def calls(r: Recorder) -> None:
    """One of each way in which a reply is treated."""
    r.get("k")
    r.set("k", "v")
    r.hgetall("h")
    r.zscore("z", "m")
    r.exists("k")
    r.dump("k")
    r.execute_command("GET", "k", NEVER_DECODE=True)
    r.execute_command("GET", "k", EMPTY_RESPONSE="empty")
    r.execute_command("nonsense")
    r.get("k")


def known_replies(configuration: str) -> dict[str, bytes]:
    protocol = CONFIGURATIONS[configuration].get("protocol", _default_protocol())
    known = for_protocol(protocol) | LARGE | (PUSHED if protocol == 3 else {})
    return known | {name: error for name, error in ERRORS.items() if name not in RENEWING}


def _default_protocol() -> int:
    return 2 if redis.__version__ < "8" else 3


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_replies_are_read_the_same(stub: StubServer, configuration):
    """Values, errors of each class, and what the server pushed in before them."""
    with pair(stub.url, **CONFIGURATIONS[configuration]) as (ours, theirs):
        for name, reply in known_replies(configuration).items():
            stub.reply = reply
            mine, other = (talk(stub, client, calls) for client in (ours, theirs))
            assert_same(mine, other, f"when the reply is: {name}")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_broken_replies_are_the_same_errors(stub: StubServer, configuration):
    """And both clients go on, on a new connection, where there is one to be had."""
    with pair(stub.url, **CONFIGURATIONS[configuration]) as (ours, theirs):
        for name, reply in BROKEN.items():
            stub.reply = reply
            mine, other = (talk(stub, client, calls) for client in (ours, theirs))
            assert_same(mine, other, f"when the reply is: {name}")


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("reply", [name for name in ERRORS if name not in RENEWING])
def test_reply_leaves_a_connection_as_clean_as_redis_py_does(stub: StubServer, parser, reply):
    """Nothing is owed after it: where redis-py goes on with its connection, so does the lease."""
    with pair(stub.url, **PARSERS[parser]) as (ours, theirs):
        dials = []
        for client in (ours, theirs):
            stub.take_accepted()
            stub.reply = ERRORS[reply]
            Recorder(client).get("k")
            stub.reply = OK
            assert client.set("k", "v") is True
            dials.append(stub.take_accepted())
        assert dials[0] == dials[1]


class Late:
    """Answers a GET when it is told to, and anything else at once."""

    def __init__(self, stub: StubServer) -> None:
        self.may_answer = threading.Event()
        stub.reply = self

    def __call__(self, words: list[bytes]) -> bytes:
        if words[0] != b"GET":
            return OK
        self.may_answer.wait(10)
        return bulk(b"late")


@pytest.mark.parametrize("parser", PARSERS)
def test_reply_that_comes_late_is_nobodys(stub: StubServer, parser):
    """After a timeout the connection is closed, and the next command has a new one."""
    with pair(stub.url, socket_timeout=0.2, **PARSERS[parser]) as (ours, theirs):
        logs, dials = [], []
        for client in (ours, theirs):
            late = Late(stub)
            recorder = Recorder(client)
            recorder.set("k", 1)
            recorder.get("k")
            late.may_answer.set()
            recorder.set("k", 1)
            recorder.set("k", 2)
            logs.append(recorder.log)
            dials.append(stub.take_accepted())
    assert_same(*logs)
    assert logs[0][1].outcome[1] == "redis.exceptions.TimeoutError"
    assert dials == [2, 2]


@pytest.mark.parametrize("parser", [name for name in PARSERS if name.startswith("resp3")])
def test_message_pushed_between_commands_is_not_taken_for_a_reply(stub: StubServer, parser):
    """It may come at any time, after one reply as well as before the next."""
    with pair(stub.url, **PARSERS[parser]) as (ours, theirs):
        stub.reply = OK + PUSHED["message before"][: -len(OK)]
        for client in (ours, theirs):
            assert [client.execute_command("ECHO") for _ in range(3)] == [b"OK"] * 3
