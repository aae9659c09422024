"""What OpenTelemetry and Prometheus were told, in a form to compare."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from redis_pool_ext.metrics.table import POOL

Key = tuple[str, ...]


class Telemetry:
    """An SDK of OpenTelemetry whose metrics stay in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def close(self) -> None:
        self.provider.shutdown()

    def metrics(self, meter: str = "redis_pool_ext") -> dict[str, Any]:
        """Collect, and return the metrics by name."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            if scope.scope.name == meter
            for metric in scope.metrics
        }

    def points(self, alias: str) -> dict[Key, Any]:
        """Return numbers by (name, attribute); of a histogram (counts up to each bound, sum)."""
        found: dict[Key, Any] = {}
        for name, metric in self.metrics().items():
            for point in metric.data.data_points:
                attributes = dict(point.attributes)
                if attributes.pop(POOL) == alias:
                    found[name, *attributes.values()] = _of_point(point)
        return found


def _of_point(point: Any) -> Any:
    if not hasattr(point, "bucket_counts"):
        return point.value
    ups, total = [], 0
    for count in point.bucket_counts:
        total += count
        ups.append(total)
    return ups, point.sum


def scrape(registry: CollectorRegistry) -> str:
    """Return what Prometheus gets."""
    return generate_latest(registry).decode()


def samples(text: str, alias: str) -> dict[Key, float]:
    """Return the numbers of one pool by (name, other label)."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if labels.pop("db_client_connection_pool_name", None) == alias:
                found[sample.name, *labels.values()] = sample.value
    return found
