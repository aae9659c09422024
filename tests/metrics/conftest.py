"""Readers of metrics, and pools that nobody else has."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from redis_pool_ext.sizing import bygone

from .readers import Telemetry


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is gone yet, and pools of other tests are none."""
    gc.collect()
    monkeypatch.setattr(bygone, "_bygone", bygone._Bygone())
    monkeypatch.setattr(bygone, "_is_kept", False)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """OpenTelemetry's SDK, to which the pools report."""
    from redis_pool_ext.metrics.opentelemetry import instrument, uninstrument

    found = Telemetry()
    instrument(found.provider)
    yield found
    uninstrument()
    found.close()
