"""What must hold across a fork: no lock that another thread held is waited for in the child."""

from __future__ import annotations

import encodings.idna  # noqa: F401  see below
import os
import threading

import redis.utils

__all__ = ["ProcessLock"]

# What a first dial would import is imported by now: the names of hosts are encoded in
# IDNA, and redis-py 8 reads its own version for each connection. A fork in the middle of
# another thread's import leaves the lock of that module locked in the child.
redis.utils.get_lib_version()


class ProcessLock:
    """A lock that no fork can leave locked: each process has one of its own.

    Python's fork hooks could do the same, but a server that forks in C (uWSGI) runs none.
    Re-entrant, as a signal handler or finalizer may come while its own thread holds it.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.RLock] = {}

    def mine(self) -> threading.RLock:
        """Return this process's lock, for `with`."""
        # setdefault is one step: of two threads that make one, both get the first.
        return self._locks.setdefault(os.getpid(), threading.RLock())
