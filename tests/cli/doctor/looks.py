"""What `doctor` finds, and what it finds it in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from ..command import call


@contextmanager
def having(admin: redis.Redis, **settings: Any) -> Iterator[None]:
    """Have the server's settings so for a while."""
    names = {name: name.replace("_", "-") for name in settings}
    before = {each: admin.config_get(each)[each] for each in names.values()}
    for name, value in settings.items():
        admin.config_set(names[name], value)
    try:
        yield
    finally:
        for name, value in before.items():
            admin.config_set(name, value)


def findings(pools: Any, check: str, **options: Any) -> list[dict[str, Any]]:
    told = call("doctor", pools, json=True, **options).data["findings"]
    return [each for each in told if each["check"] == check]


def finding(pools: Any, check: str, **options: Any) -> dict[str, Any]:
    (one,) = findings(pools, check, **options)
    return one
