"""Priorities: their names."""

from __future__ import annotations

from typing import Any

import pytest

from redis_pool_ext.config import ConfigError
from redis_pool_ext.priority import Priority


def test_priority_is_known_by_its_name():
    """A text, or what that means."""
    assert Priority.of("high") is Priority.HIGH
    assert Priority.of("Low") is Priority.LOW
    assert Priority.of(Priority.NORMAL) is Priority.NORMAL
    assert Priority.HIGH < Priority.NORMAL < Priority.LOW


@pytest.mark.parametrize("name", ["hihg", "", 1, None])
def test_unknown_priority_is_an_error(name: Any):
    """It names the argument, the value, and what there is."""
    with pytest.raises(ConfigError, match=r"^priority: .*'high', 'normal', 'low'"):
        Priority.of(name)


def test_unknown_priority_suggests_the_nearest():
    """A slip of the pen is no riddle."""
    with pytest.raises(ConfigError, match="did you mean 'high'"):
        Priority.of("hihg")
