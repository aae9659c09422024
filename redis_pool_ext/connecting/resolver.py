"""Names to addresses before a deadline: the operating system's own lookup has none."""

from __future__ import annotations

import copy
import os
import socket
import threading

from ..deadline import Deadline

__all__ = ["is_numeric", "resolve"]


class _Lookup:
    """One question to the operating system, in a thread that nobody has to wait for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.addresses: list[str] = []
        self.error: Exception | None = None

    def run(self, key: tuple[int, str, int, int]) -> None:
        _, host, port, family = key
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            # Each once, in the order that the system prefers.
            self.addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        except Exception as error:
            self.error = error.with_traceback(None)  # a cycle else, by way of this frame
        finally:
            _in_flight.pop(key, None)
            self.done.set()


# A resolver that hangs, hangs for half a minute: all who ask for the same name meanwhile
# wait for the same thread. By process: a thread does not survive a fork.
_in_flight: dict[tuple[int, str, int, int], _Lookup] = {}


def resolve(host: str, port: int, family: int, deadline: Deadline) -> list[str]:
    """Return the numeric addresses of `host`, in the order in which to try them.

    Raises `TimeoutError` when there is no answer before the deadline, and `OSError` as
    `socket.getaddrinfo` does.
    """
    if is_numeric(host, family):
        return [host]
    key = (os.getpid(), host, port, family)
    lookup = _join(key)
    if not lookup.done.wait(deadline.remaining()):
        raise TimeoutError(f"the name {host!r} was not resolved in time")
    if lookup.error is not None:
        raise copy.copy(lookup.error)  # several may raise it, each with its own traceback
    return lookup.addresses


def _join(key: tuple[int, str, int, int]) -> _Lookup:
    """Return the lookup of a name that is under way, or start one."""
    mine = _Lookup()
    try:
        lookup = _in_flight.setdefault(key, mine)
        if lookup is mine:
            _start(mine, key)
    except BaseException:  # else all who ask for the name would wait for a thread that never was
        _in_flight.pop(key, None)
        raise
    return lookup


def _start(lookup: _Lookup, key: tuple[int, str, int, int]) -> None:
    try:
        threading.Thread(
            target=lookup.run, args=(key,), name="redis_pool_ext-resolver", daemon=True
        ).start()
    except RuntimeError:  # no new threads: the interpreter shuts down
        lookup.run(key)


def is_numeric(host: str, family: int) -> bool:
    """Tell whether `host` is an address already, and no name."""
    try:
        socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True
