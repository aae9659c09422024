"""What must hold across a fork: the child notices, and waits for no lock of its parent.

Python's fork hooks are not enough: a server that forks in C (uWSGI) runs none of them. And
asking for the process id before each command is a system call. So there is one byte on a
page of memory that the kernel wipes in a child, however that was made: `here[0]` is true
from when this process knew itself, and false in a child that does not know yet.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # pyright: ignore[reportUnusedImport]  # see below
import mmap
import os
import threading
from collections.abc import Callable
from typing import Any

import redis.utils

__all__ = ["ProcessLock", "getpid", "here", "in_child"]

# What a first dial would import is imported by now: the names of hosts are encoded in
# IDNA, and redis-py 8 reads its own version for each connection. A fork in the middle of
# another thread's import leaves the lock of that module locked in the child.
redis.utils.get_lib_version()

_MADV_WIPEONFORK = 18  # linux/mman.h, since Linux 4.14; Python has no name for it


class ProcessLock:
    """A lock that no fork can leave locked: each process has one of its own.

    Re-entrant, as a signal handler or finalizer may come while its own thread holds it.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.RLock] = {}

    def mine(self) -> threading.RLock:
        """Return this process's lock, for `with`."""
        # setdefault is one step: of two threads that make one, both get the first.
        return self._locks.setdefault(os.getpid(), threading.RLock())


class _PageByPid:
    """The page where there is none that a fork wipes: it asks for the process id."""

    def __init__(self) -> None:
        self._pid = 0

    def __getitem__(self, _index: int) -> bool:
        return self._pid == os.getpid()

    def __setitem__(self, _index: int, value: int) -> None:
        self._pid = os.getpid() if value else 0


def _page() -> Any:
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):  # not Linux, or an old one
        return _PageByPid()
    return page


here: Any = _page()
_pid = os.getpid()
here[0] = 1

# What a child has to do before it goes on.
_chores: list[Callable[[], None]] = []
_lock = ProcessLock()


def in_child(chore: Callable[[], None]) -> Callable[[], None]:
    """Have `chore` done in each child, before anything of the parent's is used there.

    It may be done more than once, and by a signal handler in the middle of itself.
    """
    _chores.append(chore)
    return chore


def getpid() -> int:
    """Return the process id, in a child after its chores; without a system call."""
    if not here[0]:
        _notice()
    return _pid


def _notice() -> None:
    """Do the chores of a child, whose other threads wait until they are done."""
    global _pid  # noqa: PLW0603
    with _lock.mine():
        if here[0]:
            return
        for chore in _chores:
            chore()
        _pid = os.getpid()
        here[0] = 1


def _after_fork_in_child() -> None:
    here[0] = 0
    _notice()


os.register_at_fork(after_in_child=_after_fork_in_child)
