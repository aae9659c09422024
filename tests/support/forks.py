"""Forked children for tests: what goes wrong there fails here, also if they are stuck."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import select
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import pytest

from redis_pool_ext import RedisPool, forks

# Python 3.12 and later warn of forks in programs with threads; that is what we test.
FORK_WARNS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

PATIENCE = 20  # seconds until a child counts as stuck
_ENDS_OF_THE_STUCK = (signal.SIGALRM, signal.SIGKILL)


def fork_without_hooks() -> int:
    """Fork as a server written in C does: Python is not told.

    In a large process that takes longer than the switch interval, and a thread that waits for
    the interpreter meanwhile asks for it: the child would hand it over, and wait for a thread
    that it does not have.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        return ctypes.PyDLL(None).fork()
    finally:
        sys.setswitchinterval(interval)


def in_child(check: Callable[[], object], fork: Callable[[], int] = os.fork) -> None:
    """Run `check` in a forked child, and fail here if it fails there.

    A child that Python was not told of may be stuck in Python's own locks, which another
    thread was about to take as it was forked. What is stuck for our sake is so each time.
    """
    attempts = 2 if fork is fork_without_hooks else 1
    for attempt in range(attempts):
        status, said = _run_in_child(check, fork)
        if status == 0:
            return
        is_stuck = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _ENDS_OF_THE_STUCK
        assert is_stuck, said
        assert attempt + 1 < attempts, said


def _run_in_child(check: Callable[[], object], fork: Callable[[], int]) -> tuple[int, str]:
    read, write = os.pipe()
    pid = fork()
    if pid == 0:
        in_this_child(check, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        if not select.select([pipe], [], [], PATIENCE + 2)[0]:
            os.kill(pid, signal.SIGKILL)  # it did not even come to set its alarm
        said = pipe.read().decode()
    return os.waitpid(pid, 0)[1], said


def pretend_to_be_the_child(pool: RedisPool) -> None:
    """Let this process look like a child of a fork without hooks to `pool`."""
    pool._pid = -1
    forks.here[0] = 0


def in_this_child(check: Callable[[], object], write: int = 2) -> NoReturn:
    """Check and end the process, having told what went wrong, or where it is stuck."""
    status = 1
    try:
        with suppress(ValueError):  # a thread in a child that Python does not know of
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGALRM, file=write, chain=True)
        signal.alarm(PATIENCE)
        check()
        status = 0
    except BaseException:
        os.write(write, traceback.format_exc().encode()[-4000:])
    os._exit(status)


def open_sockets(port: int) -> set[int]:
    """Return this process's descriptors of connections to `port`."""
    return {fd for fd in map(int, os.listdir("/dev/fd")) if _peer_port(fd) == port}


def _peer_port(fd: int) -> int | None:
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
        with socket.socket(fileno=os.dup(fd)) as sock:
            return sock.getpeername()[1]
    except (OSError, IndexError):
        return None
