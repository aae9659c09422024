"""The examples of docs/settings.md that only Django reads."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from redis_pool_ext.django.deployment import check_deployment

from ..support.pages import DOCS, block_with

PAGE = DOCS / "settings.md"


def value_of(name: str) -> Any:
    said: dict[str, Any] = {}
    exec(block_with(PAGE, f"{name} = "), said)
    return said[name]


def test_guard_is_found_by_its_path(settings: Any, monkeypatch):
    """The status page asks the function that the example names."""
    module = ModuleType("ops")
    module.may_see_status = guard = lambda request: True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ops", module)
    settings.REDIS_POOL_STATUS_GUARD = value_of("REDIS_POOL_STATUS_GUARD")

    from redis_pool_ext.django.status import find_guard  # it asks for the guard as it is loaded

    assert find_guard() is guard


def test_threads_are_compared(settings: Any):
    """With the example's number, a pool of two connections is told to be small."""
    settings.REDIS_POOL_THREADS = value_of("REDIS_POOL_THREADS")
    (warning,) = [found for found in check_deployment() if found.id == "redis_pool_ext.W008"]

    assert "2 connections for 8 threads (REDIS_POOL_THREADS)" in warning.msg
