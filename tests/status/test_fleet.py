"""Asking the processes beside this one."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from redis_pool_ext.status import ask_processes, fleet

from ..support.program import Program
from ..support.threads import wait_until

SERVES = """
import sys
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status import open_desk
configure({"default": sys.argv[1]})
for _ in range(int(sys.argv[2])):
    get_pool().client.ping()
open_desk()
"""

PATIENCE = 20.0  # for a machine that is busy


def others(**arguments):
    return ask_processes(**{"this_one": False, "timeout": PATIENCE} | arguments)


@contextmanager
def desk_that(path: Path, says: bytes | None) -> Iterator[None]:
    """Serve one visitor at a socket, with these words; None says nothing until the end."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        over = threading.Event()

        def serve() -> None:
            visitor, _ = listener.accept()
            with visitor:
                visitor.recv(4096)
                if says is None:
                    over.wait(PATIENCE)
                else:
                    visitor.sendall(says)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        over.set()
        thread.join(PATIENCE)


def test_each_process_is_told_with_its_own_numbers(place, url):
    """By process id, and with what it has counted."""
    with Program(SERVES, url, "2") as one, Program(SERVES, url, "3") as other:
        counted = {r["process"]["pid"]: r["pools"][0]["stats"]["acquired"] for r in others()}

    assert counted == {one.pid: 2, other.pid: 3}
    assert list(counted) == sorted(counted)


def test_this_process_comes_without_being_asked(place):
    """It need not have a desk."""
    assert [each["process"]["pid"] for each in ask_processes()] == [os.getpid()]
    assert others() == []


def test_process_that_was_killed_is_not_told_and_its_socket_is_removed(place, url):
    """It had no time to clear its desk."""
    with Program(SERVES, url, "1") as program:
        path = place / f"{program.pid}.sock"
        assert path.exists()
        program.process.kill()
        program.process.wait()

        assert others() == []
        assert not path.exists()


def test_desk_that_is_being_opened_is_not_removed(place, url):
    """It is bound and does not listen yet; its process is there."""
    with Program(SERVES, url, "0") as program:
        path = place / f"{program.pid}.sock"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as opening:
            opening.bind(str(path))

            assert others() == []
            assert path.exists()


def test_socket_that_is_no_desk_is_left_alone(place):
    """In a folder of one's own choice the server's may be, or the application's."""
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place / "redis.sock"))

    assert others() == []
    assert (place / "redis.sock").exists()


def test_answer_without_an_end_is_not_read_for_ever(place, monkeypatch):
    """Nor kept: it would fill the memory of who asks."""
    monkeypatch.setattr(fleet, "_LONGEST", 1000)
    with desk_that(place / "7.sock", b"x" * 5000):
        (told,) = others()

    assert "more than 1000 bytes" in told["error"]


def test_process_that_hangs_is_told_as_such_within_the_time(place, url):
    """The others are told nevertheless, and its socket stays."""
    with Program(SERVES, url, "1") as hangs, Program(SERVES, url, "1") as answers:
        with hangs.frozen():
            began = monotonic()
            told = {each["process"]["pid"]: each for each in others(timeout=2.0)}
            took = monotonic() - began

        assert "does not answer in time" in told[hangs.pid]["error"]
        assert told[hangs.pid]["pools"] == []
        assert "error" not in told[answers.pid]
        assert took < PATIENCE / 2  # not what a machine is late by; without a limit it is for ever
        assert (place / f"{hangs.pid}.sock").exists()


def test_desk_whose_queue_is_full_is_told_within_the_time(place):
    """As that of a process that hangs for long is: one more visitor is not let in."""
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "7.sock"))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(place / "7.sock"))
            (told,) = others(timeout=0.1)

    assert told["process"] == {"pid": 7}
    assert "does not answer in time" in told["error"]


def test_desk_whose_queue_was_full_is_asked_when_there_is_room(place, url):
    """It was busy with others for a moment."""
    with Program(SERVES, url, "1") as program:
        path = place / f"{program.pid}.sock"
        program.freeze()
        crowd = _fill(path)
        threading.Timer(0.1, os.kill, (program.pid, signal.SIGCONT)).start()
        for visitor in crowd:
            visitor.close()

        assert ["error" not in each for each in others()] == [True]


def _fill(path: Path) -> list[socket.socket]:
    crowd = []
    while True:
        visitor = socket.socket(socket.AF_UNIX)
        visitor.setblocking(False)
        try:
            visitor.connect(str(path))
        except BlockingIOError:
            visitor.close()
            return crowd
        crowd.append(visitor)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"", "does not answer"),
        (b"no json\n", "does not answer"),
        (b"[]\n", "another version"),
        (json.dumps({"format": 999}).encode() + b"\n", "another version"),
    ],
)
def test_answer_that_cannot_be_understood_is_told_as_such(place, says: bytes, words: str):
    """It is some process of ours, or was."""
    with desk_that(place / "7.sock", says):
        (told,) = others()

    assert told["process"] == {"pid": 7}
    assert words in told["error"]


def test_answer_that_breaks_off_is_told_as_such(place):
    """The process ended in the middle of it."""
    with desk_that(place / "7.sock", b'{"format": 1, "pools": ['):
        (told,) = others()

    assert "does not answer" in told["error"]


def test_more_than_a_few_that_hang_do_not_hide_one_that_answers(place, url):
    """Everybody is asked at the same time."""
    with Program(SERVES, url, "1") as program:
        silent = []
        for number in range(40):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(place / f"{number}0000000.sock"))
            listener.listen(1)
            silent.append(listener)
        told = others(timeout=3.0)
        for listener in silent:
            listener.close()

    assert [each["process"]["pid"] for each in told if "error" not in each] == [program.pid]
    assert len(told) == 41


def test_folder_of_others_is_told_and_not_read(place):
    """What is in there may pass for one of our processes."""
    with desk_that(place / "7.sock", None):
        place.chmod(0o755)
        (told,) = others()
        place.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as visitor:  # for the thread there
            visitor.connect(str(place / "7.sock"))
            visitor.sendall(b"x")

    assert told["process"] == {"pid": 0}
    assert "not a folder of this user alone" in told["error"]


def test_samples_come_as_many_as_are_asked_for(place, url):
    """None by default."""
    with Program(SERVES, url, "1"):
        wait_until(lambda: len(others(samples=1)[0]["pools"][0]["samples"]) == 1)
        (without,) = others()

    assert without["pools"][0]["samples"] == []
