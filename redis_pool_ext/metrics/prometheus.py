"""Prometheus: the pools' metrics, read as they are scraped.

    from prometheus_client import REGISTRY
    from redis_pool_ext.metrics.prometheus import PoolCollector
    REGISTRY.register(PoolCollector())

Where several worker processes answer one scrape (gunicorn, PROMETHEUS_MULTIPROC_DIR), a
collector does not work; there call `mirror()` instead, once in each worker or before they
are forked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from ..pooling.totals import Total, keep_totals, totals
from .table import BUCKETS, COUNTERS, GAUGES, POOL, TIMES, Metric, Rising, Times

try:
    import prometheus_client.core
    from prometheus_client.utils import floatToGoString
except ImportError as _error:
    raise ImportError(
        "redis_pool_ext.metrics.prometheus needs prometheus-client: "
        "pip install 'redis-pool-ext[prometheus]'"
    ) from _error

from .files import Files, begin_to_mirror

__all__ = ["PoolCollector", "mirror", "mirror_now"]

# Their names in Prometheus, where they are not the conventions' with other dots.
_LABELS = {"db.client.connection.state": "state"}
_POOL = POOL.replace(".", "_")


class PoolCollector:
    """A collector for a registry: all pools of this process, summed by alias.

    It costs a lease nothing.
    """

    def __init__(self) -> None:
        keep_totals()
        self._rising = Rising()

    def describe(self) -> Iterable[prometheus_client.core.Metric]:
        """Return nothing: a registry that asks is not to read the pools."""
        return []

    def collect(self) -> Iterator[prometheus_client.core.Metric]:
        """Read all pools."""
        found = totals()
        for metric in GAUGES:
            gauge = prometheus_client.core.GaugeMetricFamily(
                name_of(metric), metric.text, labels=labels_of(metric)
            )
            for values, number in readings(metric, found):
                gauge.add_metric(values, number)
            yield gauge
        for metric in COUNTERS:
            counter = prometheus_client.core.CounterMetricFamily(
                name_of(metric), metric.text, labels=labels_of(metric)
            )
            for values, number in readings(metric, found):
                counter.add_metric(values, self._rising((metric.name, *values), number))
            yield counter
        for times in TIMES:
            yield self._histogram(times, found)

    def _histogram(
        self, times: Times, found: Mapping[str, Total]
    ) -> prometheus_client.core.HistogramMetricFamily:
        histogram = prometheus_client.core.HistogramMetricFamily(
            name_of_times(times), times.text, labels=[_POOL]
        )
        for alias, total in found.items():
            counts, seconds = up_to_each(times, alias, total, self._rising)
            histogram.add_metric(
                [alias], buckets=list(zip(LE, map(float, counts), strict=True)), sum_value=seconds
            )
        return histogram


LE = [floatToGoString(bound) for bound in (*BUCKETS, float("inf"))]  # type: ignore[no-untyped-call]


def name_of(metric: Metric) -> str:
    """Return the name without the suffix of counters, which the library adds."""
    return metric.name.replace(".", "_")


def name_of_times(times: Times) -> str:
    """Return the name, with the unit that Prometheus wants in it."""
    return times.name.replace(".", "_") + "_seconds"


def labels_of(metric: Metric) -> list[str]:
    """Return the names of its labels, the pool's first."""
    own = metric.attribute
    return [_POOL] if own is None else [_POOL, _LABELS.get(own, own.replace(".", "_"))]


def readings(metric: Metric, found: Mapping[str, Total]) -> Iterator[tuple[list[str], float]]:
    """Return the values of its labels, and the number, for each pool."""
    for alias, total in found.items():
        for value, number in metric.read(total).items():
            yield [alias] if metric.attribute is None else [alias, value], number


def up_to_each(times: Times, alias: str, total: Total, rising: Rising) -> tuple[list[float], float]:
    """Return how many took at most so long, for each bucket and in all; and the sum."""
    histogram = getattr(total.stats, times.field)
    counts = [*histogram.up_to(BUCKETS), histogram.total]
    told = [rising((times.name, alias, le), n) for le, n in zip(LE, counts, strict=True)]
    return told, rising((times.name, alias, "sum"), histogram.seconds)


# -- several processes ---------------------------------------------------------------------


def mirror() -> None:
    """Keep this process's numbers in the files of PROMETHEUS_MULTIPROC_DIR from now on.

    Written once a second by the thread that looks at the pools, and as the process ends; so
    after `kill -9` the last second is missing. Children of a fork go on with files of their
    own. Raises `RuntimeError` where prometheus-client is not in multi-process mode.
    """
    keep_totals()
    begin_to_mirror(_write)


def mirror_now() -> None:
    """Write this process's numbers at once, say for the worker that answers a scrape."""
    begin_to_mirror(_write).write_now()


_rising = Rising()


def _write(files: Files) -> None:
    found = totals()
    for metric in GAUGES:
        for values, number in readings(metric, found):
            files.set_gauge(name_of(metric), labels_of(metric), values, metric.text, number)
    for metric in COUNTERS:
        for values, number in readings(metric, found):
            told = _rising((metric.name, *values), number)
            files.set_counter(name_of(metric), labels_of(metric), values, metric.text, told)
    for times in TIMES:
        for alias, total in found.items():
            _write_times(files, times, alias, total)


def _write_times(files: Files, times: Times, alias: str, total: Total) -> None:
    counts, seconds = up_to_each(times, alias, total, _rising)
    alone = [counts[0], *(high - low for low, high in pairwise(counts))]
    files.set_histogram(
        name_of_times(times),
        [_POOL],
        [alias],
        times.text,
        dict(zip(LE, alone, strict=True)),
        seconds,
    )
