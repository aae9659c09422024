"""Two daemon threads per process: one goes round the pools and keeps house, one looks at them.

Nothing depends on them: what is too old is not lent, thread or no thread. The housekeeper closes
what idles for too long, fills up to `min_idle`, reports leaks, and looks for a server that is
down; the observer only reads (`history.py`), several times a second, and so must not wait for a
dial of the other one. They start when a pool first dials, makes its first connection or finds its
server down, so never at import and never in a process that only forks; they hold no pool alive,
and end when there is none left.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol

__all__ = ["beside_observer", "look_after", "look_after_in", "observe"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds between two rounds at least, or a thousand pools, each due at a moment of its own, would
# be looked through a thousand times in each fifth of a second.
_BREATH = 0.02


class House(Protocol):
    """What a thread that goes round asks of each pool, or of its history."""

    alias: str

    @property
    def round_every(self) -> float | None:
        """Seconds between two rounds; None for none."""

    @property
    def is_closed(self) -> bool:
        """Tell whether there is nothing to look after any more."""
        ...

    def keep_house(self) -> None:
        """Do one round."""


class _Housekeeper:
    def __init__(
        self, name: str = "housekeeper", at_start: Callable[[], None] | None = None
    ) -> None:
        self._name = f"redis_pool_ext-{name}"
        self._at_start = at_start
        self._pid = os.getpid()
        # Protects the two below. Re-entrant: a signal handler may use a pool while its
        # thread is here.
        self._lock = threading.RLock()
        self._rounds: weakref.WeakKeyDictionary[House, float] = weakref.WeakKeyDictionary()
        self._thread: threading.Thread | None = None
        self._is_starting = False
        self._bell = _silent_bell()

    @property
    def is_inherited(self) -> bool:
        return self._pid != os.getpid()

    @property
    def _is_running(self) -> bool:
        # A thread can be ended by what is no Exception, in the middle of a round.
        return self._is_starting or (self._thread is not None and self._thread.is_alive())

    def add(self, pool: House, interval: float) -> None:
        with self._lock:
            if pool in self._rounds and self._is_running:
                return
            self._rounds.setdefault(pool, monotonic() + interval)
            if not self._is_running:
                self._start()
        with suppress(RuntimeError):  # it was rung already, and not heard yet
            self._bell.release()

    def hurry(self, pool: House, seconds: float) -> None:
        """Have the next round of a pool after so many seconds, if it is not due before."""
        with self._lock:
            at = monotonic() + seconds
            self._rounds[pool] = min(self._rounds.get(pool, at), at)
            if not self._is_running:
                self._start()
        with suppress(RuntimeError):
            self._bell.release()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if self._is_running:
            return  # a signal handler came meanwhile, and started one
        self._is_starting = True  # for handlers that come from now on
        try:
            # Anew: since this module was imported gevent may have patched threads, and a
            # greenlet that waited for a lock of before would stop all others.
            self._bell = _silent_bell()
            self._thread = thread
            with suppress(RuntimeError):  # no new threads: the interpreter shuts down
                thread.start()
        finally:
            self._is_starting = False

    def _run(self) -> None:
        if self._at_start is not None:
            self._at_start()
        while (pause := self._pause()) is not None:
            self._bell.acquire(timeout=min(pause, threading.TIMEOUT_MAX))
            self._go_round()

    def _pause(self) -> float | None:
        """Return the seconds until the next round; None when there is no pool left."""
        with self._lock:
            for pool in [pool for pool in self._rounds if pool.is_closed]:
                del self._rounds[pool]
            moments = list(self._rounds.values())  # once: pools die at any time
            if not moments:
                self._thread = None
                return None
            return max(_BREATH, min(moments) - monotonic())

    def _go_round(self) -> None:
        for pool in self._due():
            try:
                pool.keep_house()
            except Exception:
                logger.exception("%s: housekeeping failed", pool.alias)

    def _due(self) -> list[House]:
        """Return the pools whose round it is, and note their next."""
        now = monotonic()
        with self._lock:
            due = [pool for pool, at in self._rounds.items() if at <= now]
            for pool in due:
                self._rounds[pool] = now + (pool.round_every or 0.0)
        return due


def _silent_bell() -> threading.Lock:
    """Return what is released for a pool that is new, and for one that hurries.

    Not an Event: that has a lock inside, and a signal handler that came while its thread held
    it would wait for ever.
    """
    bell = threading.Lock()
    bell.acquire()
    return bell


_companions: list[Callable[[], None]] = []


def beside_observer(start: Callable[[], None]) -> None:
    """Have `start` called, in the observer's thread, as that begins in a process that serves."""
    if start not in _companions:
        _companions.append(start)


def _start_companions() -> None:
    for start in _companions:
        try:
            start()
        except Exception:
            logger.exception("%s could not start", start)


def _new_threads() -> tuple[_Housekeeper, _Housekeeper]:
    return _Housekeeper(), _Housekeeper("observer", _start_companions)


_housekeeper, _observer = _new_threads()


def look_after(pool: House) -> None:
    """See that `pool` has its rounds, if it wants any; in this process.

    Not in the child of a fork that ran no hooks: Python's own locks are as the parent's
    threads have left them, and a thread that is started there may never begin.
    """
    _send(_housekeeper, pool)


def look_after_in(pool: House, seconds: float) -> bool:
    """See that the next round of `pool` is after so many seconds; False if it wants none here."""
    if pool.round_every is None or _housekeeper.is_inherited:
        return False
    _housekeeper.hurry(pool, seconds)
    return True


def observe(history: House) -> None:
    """See that somebody looks at a pool for its `history`, if that wants to be kept."""
    _send(_observer, history)


def _send(thread: _Housekeeper, house: House) -> None:
    interval = house.round_every
    if interval is not None and not thread.is_inherited:
        thread.add(house, interval)


def _begin_anew() -> None:
    """Start with nothing: the threads are the parent's, and the locks may be held there."""
    global _housekeeper, _observer
    _housekeeper, _observer = _new_threads()


os.register_at_fork(after_in_child=_begin_anew)
