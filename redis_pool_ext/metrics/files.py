"""The files in which prometheus-client's worker processes keep what one of them tells of all.

A file has a number for each metric and labels, and belongs to one process. Those of counters
stay when it is gone, those of gauges (`livesum`) are taken away by `mark_process_dead`.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from prometheus_client import values

from ..forks import ProcessLock
from ..sizing.history import follow_samples

__all__ = ["Files", "begin_to_mirror"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds between two rounds of writing at least: each pool has a sample once a second.
_WRITE_EVERY = 0.5

_LENGTH = 65536  # bytes, all zero: what the library takes for a file with nothing in it


class Files:
    """This process's numbers in those files."""

    def __init__(self, write: Callable[[Files], None]) -> None:
        self._write = write
        # Protects the rest; also held through a fork, so that none happens in the middle of a
        # write: the library's own lock would stay locked in the child.
        self._lock = ProcessLock()
        self._pid = os.getpid()
        self._values: dict[tuple[Any, ...], tuple[Any, float]] = {}
        self._written_at = 0.0
        self._is_over = False

    # -- when --------------------------------------------------------------------------------

    def write_now_and_then(self) -> None:
        """Write, unless that was done a moment ago."""
        if monotonic() - self._written_at >= _WRITE_EVERY:
            self.write_now()

    def write_now(self) -> None:
        """Write all numbers."""
        with self._lock.mine():
            if self._is_over:
                return
            if self._pid != os.getpid():  # a fork's child has files of its own
                self._pid, self._values = os.getpid(), {}
            if not self._values:
                _lay_out()
            self._written_at = monotonic()
            self._write(self)

    def write_last(self) -> None:
        """Write the last numbers of this process; it has no connections any more."""
        with self._lock.mine():
            self.write_now()
            self._is_over = True
            for (typ, *_), (value, _base) in self._values.items():
                if typ == "gauge":
                    value.set(0.0)

    def hold(self) -> None:
        """Let nobody write during a fork."""
        self._lock.mine().acquire()

    def let_go(self) -> None:
        """Let write again, in the parent; the child has another lock."""
        self._lock.mine().release()

    # -- what ----------------------------------------------------------------------------------

    def set_gauge(
        self, name: str, labels: Sequence[str], at: Sequence[str], text: str, number: float
    ) -> None:
        """Set a number that is the sum of those of the processes that live."""
        value, _ = self._value("gauge", name, name, tuple(labels), tuple(at), text)
        value.set(float(number))

    def set_counter(
        self, name: str, labels: Sequence[str], at: Sequence[str], text: str, number: float
    ) -> None:
        """Set a number that is the sum of those of all processes, the dead included."""
        self._set_sum("counter", name, f"{name}_total", tuple(labels), tuple(at), text, number)

    def set_histogram(  # noqa: PLR0913, PLR0917  what the library wants to know
        self,
        name: str,
        labels: Sequence[str],
        at: Sequence[str],
        text: str,
        counts: Mapping[str, float],
        seconds: float,
    ) -> None:
        """Set the count of each bucket by itself; the library adds them up."""
        self._set_sum("histogram", name, f"{name}_sum", tuple(labels), tuple(at), text, seconds)
        for le, number in counts.items():
            more = (*labels, "le"), (*at, le)
            self._set_sum("histogram", name, f"{name}_bucket", *more, text, number)

    def _set_sum(self, *key: Any) -> None:
        *which, number = key
        value, base = self._value(*which)
        value.set(base + number)

    def _value(self, *key: Any) -> tuple[Any, float]:
        found = self._values.get(key)
        if found is None:
            typ, metric, name, labels, at, text = key
            value = values.ValueClass(
                typ, metric, name, labels, at, text, multiprocess_mode="livesum"
            )
            # What is there was written by a dead process that had the same number.
            found = self._values[key] = value, value.get()
        return found


def _lay_out() -> None:
    """Make this process's files, each in one step.

    The library opens one and then gives it a length. A scrape that comes in between fails, as
    it reads what has none; with a worker for each few requests that happens often enough.
    """
    # In small letters until the library has seen it, in old configurations.
    name = "PROMETHEUS_MULTIPROC_DIR"
    folder = Path(os.environ.get(name) or os.environ[name.lower()])
    for prefix in ("gauge_livesum", "counter", "histogram"):
        draft, path = (
            folder / f"{prefix}_{os.getpid()}.draft",
            folder / f"{prefix}_{os.getpid()}.db",
        )
        try:
            draft.write_bytes(bytes(_LENGTH))
            os.link(draft, path)  # unlike a rename, not in the place of one that is there
        except OSError as error:
            logger.debug("%s is left to prometheus-client to make: %s", path, error)
        finally:
            draft.unlink(missing_ok=True)


_files: list[Files] = []


def begin_to_mirror(write: Callable[[Files], None]) -> Files:
    """Have `write` called once a second, and at the end; once, however often this is called.

    Raises `RuntimeError` where the library keeps no files.
    """
    if not getattr(values.ValueClass, "_multiprocess", False):
        raise RuntimeError(
            "prometheus-client is not in multi-process mode: set PROMETHEUS_MULTIPROC_DIR to an "
            "empty folder before Python starts; with one process, register a PoolCollector"
        )
    if not _files:
        files = Files(write)
        _files.append(files)
        follow_samples(files.write_now_and_then)
        atexit.register(files.write_last)
        os.register_at_fork(before=files.hold, after_in_parent=files.let_go)
    return _files[0]
