"""What the tests of the short way are given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ..support.leases import look_after
from .ways import _STEPS


@pytest.fixture
def steps(monkeypatch) -> Counter[str]:
    """How often each of redis-py's own steps was done."""
    counted: Counter[str] = Counter()

    def counting(kind: type[Any], name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(*args, **kwargs)

        return step

    for kind, name in _STEPS:
        monkeypatch.setattr(kind, name, counting(kind, name))
    return counted


@pytest.fixture
def _no_pause(monkeypatch):
    """Let no pause be a long one, however busy the machine is."""
    look_after(math.inf, monkeypatch)
