"""The desk at which a process answers: when it opens, what it survives, how it closes."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.status import desk, open_desk
from redis_pool_ext.status.folder import VARIABLE

from ..support.program import Program
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until


def own(place: Path) -> Path:
    return place / f"{os.getpid()}.sock"


def has_reached(visitor: socket.socket, path: Path) -> bool:
    try:
        visitor.connect(str(path))
    except ConnectionRefusedError:
        return False
    return True


def ask(path: Path, question: bytes = b"{}\n") -> bytes:
    """Return what is said at a desk."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(20)
        wait_until(lambda: has_reached(visitor, path))  # bound a moment before it listens
        visitor.sendall(question)
        return b"".join(iter(lambda: visitor.recv(65536), b""))


@pytest.fixture
def pool():
    with closing(RedisPool(StubConnection, alias="seen", housekeeping_interval=None)) as pool:
        yield pool


def test_open_desk_answers_with_the_report(place, pool):
    """One line of JSON for one line of JSON."""
    open_desk()

    said = ask(own(place))
    assert said.endswith(b"\n")
    assert json.loads(said)["process"]["pid"] == os.getpid()
    assert "seen" in [each["alias"] for each in json.loads(said)["pools"]]


def test_desk_is_opened_once(place):
    """A second call changes nothing."""
    open_desk()
    before = desk._desk
    open_desk()

    assert desk._desk is before


def test_desk_that_is_switched_off_is_not_opened(place, monkeypatch):
    """REDIS_POOL_STATUS_DIR=off: no folder, no thread."""
    monkeypatch.setenv(VARIABLE, "off")
    open_desk()

    assert desk._desk is None
    assert not place.exists()


def test_desk_in_a_folder_of_somebody_else_is_refused(place):
    """The socket could be replaced by theirs."""
    place.mkdir()
    place.chmod(0o777)

    with pytest.raises(PermissionError):
        open_desk()


@pytest.fixture
def nothing_said(monkeypatch):
    """No desk could not be opened yet."""
    monkeypatch.setattr(desk, "_was_said", False)


def test_desk_that_cannot_open_is_logged_and_does_no_harm(place, nothing_said, caplog):
    """The application goes on without; at a level that is not shown by default."""
    place.mkdir()
    place.chmod(0o777)
    with caplog.at_level(logging.INFO, "redis_pool_ext"):
        desk._open_or_say_why_not()

    assert "is not shown to others" in caplog.text
    assert desk._desk is None


def test_path_that_is_too_long_for_a_socket_is_said_once(place, nothing_said, monkeypatch, caplog):
    """With the way out; and whoever has dialled goes on."""
    monkeypatch.setenv(VARIABLE, str(place / ("long" * 30)))
    with caplog.at_level(logging.INFO, "redis_pool_ext"):
        for _ in range(3):
            desk._open_or_say_why_not()

    (record,) = caplog.records
    assert "too long for a socket" in record.message
    assert VARIABLE in record.message
    assert desk._desk is None


def test_desk_is_opened_by_one_thread_at_a_time(place, monkeypatch):
    """The second one would take away the first one's socket."""
    inside, go_on = threading.Event(), threading.Event()
    found = desk.open_folder

    def open_folder():
        inside.set()
        go_on.wait(20)
        return found()

    monkeypatch.setattr(desk, "open_folder", open_folder)
    opening = spawn(open_desk)
    assert inside.wait(20)
    is_free = desk._lock.mine().acquire(blocking=False)
    go_on.set()
    opening.result(20)

    assert not is_free


def test_desk_that_gets_no_thread_is_closed(place, monkeypatch):
    """The interpreter shuts down; nobody is to wait for an answer."""

    def start(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        open_desk()

    assert list(place.iterdir()) == []


def test_desk_that_closes_leaves_the_socket_of_another_process(place):
    """In another container that shares the folder, a process may have the same number."""
    open_desk()
    own(place).unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(own(place)))
        desk._desk.close()

    assert own(place).exists()


def test_socket_of_a_process_that_had_this_number_before_is_replaced(place):
    """It was killed, and its number given again."""
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(own(place)))
    open_desk()

    assert json.loads(ask(own(place)))


@pytest.mark.parametrize(
    "question",
    [
        *(b"\n", b"not json\n", b"[]\n", b"[" * 4096, b"x" * desk.LONGEST),
        *(b'{"samples": "many"}\n', b'{"samples": Infinity}\n', b'{"samples": null}\n'),
        *(b'{"target": -1}\n', b'{"target": NaN}\n', b'{"samples": -3}\n'),
    ],
)
def test_nonsense_at_the_desk_does_not_keep_the_next_one_from_an_answer(
    place, caplog, question: bytes
):
    """Who asks for nonsense gets an end, the next one an answer; the log has no word of it."""
    open_desk()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(own(place)))
        visitor.sendall(question)
        assert visitor.recv(1) == b""

    assert json.loads(ask(own(place)))
    assert "could not be answered" not in caplog.text


def test_visitor_who_leaves_without_a_word_does_not_end_the_desk(place):
    """The next one is answered."""
    open_desk()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(own(place)))

    assert json.loads(ask(own(place)))


def test_report_that_fails_does_not_end_the_desk(place, monkeypatch, caplog):
    """It is logged with its traceback, and the next question is answered."""
    open_desk()
    with monkeypatch.context() as patch:
        patch.setattr(desk, "process_report", lambda **_: {}["nothing"])
        assert ask(own(place)) == b""

    assert json.loads(ask(own(place)))
    assert "KeyError" in caplog.text


def test_visitor_who_says_nothing_keeps_the_others_waiting_for_a_while_only(place, monkeypatch):
    """There is one clerk, and it has patience with each for a time."""
    monkeypatch.setattr(desk, "PATIENCE", 0.01)
    open_desk()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(own(place)))

        assert json.loads(ask(own(place)))


def test_visitor_who_says_it_byte_by_byte_keeps_nobody_for_longer(place, monkeypatch):
    """The patience is for the whole question."""
    monkeypatch.setattr(desk, "PATIENCE", 0.05)
    open_desk()
    pause = threading.Event()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(own(place)))
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                slow.sendall(b"x")
                pause.wait(0.005)


CONNECTS = """
import sys
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status.desk import open_desk_when_serving
open_desk_when_serving()
configure({"default": sys.argv[1]})
pool = get_pool()
print("made", flush=True)
sys.stdin.readline()
pool.client.ping()
"""


def test_desk_opens_with_the_first_connection(place, url):
    """Not with the pool: that is made at import, and in a process that only forks."""
    with Program(CONNECTS, url, ready="made\n") as program:
        assert not place.exists()
        program.tell("connect")
        wait_until((place / f"{program.pid}.sock").exists)


def test_process_that_ends_in_order_clears_its_desk(place, url):
    """Nothing is left to be asked."""
    with Program(CONNECTS, url, ready="made\n") as program:
        program.tell("connect")
        wait_until((place / f"{program.pid}.sock").exists)
        assert ask(place / f"{program.pid}.sock")

    assert list(place.iterdir()) == []


FORKS = """
import os, sys
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status import desk
desk.open_desk_when_serving()
configure({"default": sys.argv[1]})
get_pool().client.ping()
while desk._desk is None:
    pass
child = os.fork()
if not child:
    assert desk._desk is None
    get_pool().client.ping()
    while desk._desk is None:
        pass
    print("forked", os.getpid(), sep="\\n", flush=True)
    sys.stdin.readline()
    os._exit(0)
"""
AND_WAITS_FOR_IT = """
os.waitpid(child, 0)
print("over", flush=True)
sys.stdin.readline()
"""


def test_child_of_a_fork_has_its_own_desk(place, url):
    """With its first connection; and its parent's stays open when the child ends."""
    with Program(FORKS, url, then=AND_WAITS_FOR_IT, ready="forked\n") as program:
        child = int(program.line())
        desks = [json.loads(ask(place / f"{pid}.sock")) for pid in (program.pid, child)]
        assert [said["process"]["pid"] for said in desks] == [program.pid, child]

        program.tell("end, child")
        assert program.line() == "over"
        assert json.loads(ask(place / f"{program.pid}.sock"))


def test_child_that_ran_no_hooks_leaves_its_parents_desk_open(place, monkeypatch):
    """At its exit it would close a desk that it takes for its own."""
    open_desk()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        desk._desk.close()

    assert json.loads(ask(own(place)))


ASYNCIO = """
import asyncio, sys
from redis_pool_ext import configure, get_async_redis
from redis_pool_ext.status.desk import open_desk_when_serving
open_desk_when_serving()
configure({"default": sys.argv[1]})
async def main():
    await get_async_redis().ping()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, os, sys
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status.desk import open_desk_when_serving
open_desk_when_serving()
configure({"default": sys.argv[1]})
get_pool().client.ping()
print("ready", flush=True)
gevent.get_hub().threadpool.apply(os.read, (0, 1))
"""


@pytest.mark.parametrize(("code", "kind"), [(ASYNCIO, "async"), (GEVENT, "sync")])
def test_desk_answers_in_every_kind_of_process(place, url, code: str, kind: str):
    """One that has only an event loop, and one whose threads are greenlets."""
    if "gevent" in code:
        pytest.importorskip("gevent")
    with Program(code, url, then="") as program:
        path = place / f"{program.pid}.sock"
        wait_until(path.exists)

        report = json.loads(ask(path))
        assert [pool["kind"] for pool in report["pools"]] == [kind]
        assert report["pools"][0]["stats"]["acquired"] == 1
