"""OpenTelemetry: the pools' metrics, and an event on the span of who has waited for long.

    from redis_pool_ext.metrics.opentelemetry import instrument
    instrument()

Names, units and attributes are those of the semantic conventions for database clients, whose
status is "development": they may change there, and then they change here.

Counters and sizes are read when somebody collects them, and cost a lease nothing. Times are
recorded one by one, so while this is on, every lease goes the pool's careful way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .. import __version__
from ..observing import Observed, Observer, add_observer, remove_observer, reported
from ..pooling.totals import keep_totals, totals
from .table import BUCKETS, COUNTERS, GAUGES, POOL, TIMES, Metric, Rising

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation
except ImportError as _error:
    raise ImportError(
        "redis_pool_ext.metrics.opentelemetry needs OpenTelemetry's API: "
        "pip install 'redis-pool-ext[opentelemetry]'"
    ) from _error

__all__ = ["LONG_WAIT", "instrument", "uninstrument"]

METER = "redis_pool_ext"
EVENT = "redis_pool.wait"

# Seconds; a wait that is longer is told on the span.
LONG_WAIT = 0.001


class _Instruments:
    """What one meter has of us. OpenTelemetry cannot remove it again, so it falls silent."""

    def __init__(self, meter: Meter) -> None:
        self.is_on = False
        self.recorder: _Recorder | None = None
        self._rising = Rising()
        for metric in GAUGES:
            meter.create_observable_up_down_counter(
                metric.name, [self._reader(metric)], metric.unit, metric.text
            )
        for metric in COUNTERS:
            meter.create_observable_counter(
                metric.name, [self._reader(metric, self._rising)], metric.unit, metric.text
            )
        waits, uses, creates = (
            meter.create_histogram(
                each.name, "s", each.text, explicit_bucket_boundaries_advisory=BUCKETS
            )
            for each in TIMES
        )
        self.waits, self.uses, self.creates = waits, uses, creates

    def _reader(
        self, metric: Metric, rising: Rising | None = None
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_options: CallbackOptions) -> Iterable[Observation]:
            if not self.is_on:
                return []
            if self.recorder is not None:
                self.recorder.catch_up()  # the histograms are collected after this
            found = []
            for alias, total in totals().items():
                for value, number in metric.read(total).items():
                    attributes = {POOL: alias}
                    if metric.attribute is not None:
                        attributes[metric.attribute] = value
                    if rising is not None:
                        number = rising((metric.name, alias, value), number)  # noqa: PLW2901
                    found.append(Observation(number, attributes))
            return found

        return read


class _Recorder(Observer):
    """Records each wait, hold and dial, and writes long waits on the current span."""

    def __init__(self, instruments: _Instruments, long_wait: float) -> None:
        self._waits: Histogram = instruments.waits
        self._uses: Histogram = instruments.uses
        self._creates: Histogram = instruments.creates
        self._long_wait = long_wait
        # What came back is recorded by the next one to come. A finalizer gives back, too,
        # anywhere: also in a thread that is recording, and has the histogram's lock.
        self._returned: deque[tuple[int, str, float]] = deque()

    def obtained(self, pool: Observed, waited: float, took: float) -> None:
        """Record the time in the queue."""
        self._waits.record(waited, {POOL: pool.alias})
        if took > self._long_wait:
            self._tell_span(pool, waited, took)
        self.catch_up()

    def refused(self, pool: Observed, waited: float, took: float, reason: str) -> None:
        """Record the time in the queue, of one who got nothing."""
        self._waits.record(waited, {POOL: pool.alias})
        if took > self._long_wait:
            self._tell_span(pool, waited, took, {"error.type": reason})
        self.catch_up()

    def returned(self, pool: Observed, held: float) -> None:
        """Note how long a connection was out."""
        self._returned.append((os.getpid(), pool.alias, held))

    def made(self, pool: Observed, took: float) -> None:
        """Record how long a dial took."""
        self._creates.record(took, {POOL: pool.alias})

    def catch_up(self) -> None:
        """Record what came back; a child of a fork leaves its parent's to the parent."""
        own = os.getpid()
        while self._returned:
            try:
                pid, alias, held = self._returned.popleft()
            except IndexError:  # another thread was quicker
                return
            if pid == own:
                self._uses.record(held, {POOL: alias})

    @staticmethod
    def _tell_span(
        pool: Observed, waited: float, took: float, more: dict[str, str] | None = None
    ) -> None:
        span = trace.get_current_span()
        if span.is_recording():
            seconds = {"redis_pool.wait.duration": took, "redis_pool.wait.queued": waited}
            span.add_event(EVENT, {POOL: pool.alias, **seconds, **(more or {})})


# By provider: the same instrument must not be made twice.
_made: dict[int, tuple[Any, _Instruments]] = {}
_current: list[_Instruments] = []


def instrument(
    meter_provider: MeterProvider | None = None, *, long_wait: float = LONG_WAIT
) -> None:
    """Report all pools of this process to `meter_provider`, or to the global one.

    Who waits for a connection for more than `long_wait` seconds (queue and dial) has an event
    `redis_pool.wait` on the current span. Pools of one alias are reported in sum. Raises
    `RuntimeError` where that is on already, `ValueError` for a `long_wait` below 0.
    """
    if _current:
        raise RuntimeError("the pools are instrumented already: call uninstrument() before")
    if not long_wait >= 0:
        raise ValueError(f"long_wait is a number of seconds, 0 or more, not {long_wait!r}")
    provider = meter_provider or metrics.get_meter_provider()
    if id(provider) not in _made:
        _made[id(provider)] = provider, _Instruments(provider.get_meter(METER, __version__))
    instruments = _made[id(provider)][1]
    keep_totals()
    instruments.recorder = _Recorder(instruments, long_wait)
    instruments.is_on = reported[0] = True
    _current.append(instruments)
    add_observer(instruments.recorder)


def uninstrument() -> None:
    """Report nothing any more; once more is fine."""
    while _current:
        instruments = _current.pop()
        instruments.is_on = reported[0] = False
        recorder, instruments.recorder = instruments.recorder, None
        if recorder is not None:
            remove_observer(recorder)
            recorder.catch_up()
