"""The reference has every public name."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from redis_pool_ext import AsyncRedisPool, RedisPool

from ..support.pages import DOCS, ROOT

# Modules of which everything in `__all__` is for users.
PUBLIC = (
    "redis_pool_ext",
    "redis_pool_ext.django.cache",
    "redis_pool_ext.django.decorators",
    "redis_pool_ext.django.factory",
    "redis_pool_ext.django.middleware",
    "redis_pool_ext.django.sessions",
    "redis_pool_ext.embedded",
    "redis_pool_ext.flask",
    "redis_pool_ext.flask.health",
    "redis_pool_ext.flask.status",
    "redis_pool_ext.metrics.prometheus",
    "redis_pool_ext.status",
    "redis_pool_ext.status.health",
)

# What a pool's own floors, redis-py and the wings call: no underscore, and for no user.
BETWEEN_FLOORS = {
    "after_fork",
    "cache",
    "follows",
    "for_running_loop",
    "forfeit",
    "get_connection_count",
    "get_encoder",
    "get_protocol",
    "has_loop",
    "heard_within",
    "heed_observers",
    "look",
    "max_waiting",
    "owns_connection",
    "re_auth_callback",
    "reconnect",
    "round_every",
    "stats_and_used_since",
    "take_back",
    "turn_away",
}


@cache
def text() -> str:
    return "".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))


def names_in_all(module: str) -> list[str]:
    """Read `__all__` without importing: frameworks may be missing."""
    path = ROOT / module.replace(".", "/")
    tree = ast.parse(
        (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    )
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return names


def members_of(name: str) -> set[str]:
    """Return the members that the reference lists for a class."""
    (listed,) = re.findall(
        rf"^\.\. autoclass:: {re.escape(name)}\n   :members: (.+)$", text(), re.MULTILINE
    )
    return set(listed.split(", "))


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_told(module: str):
    """All of the module's `__all__`."""
    told = set(re.findall(r"^\.\. (?:auto|py:)\w+:: ([\w.]+)", text(), re.MULTILINE))

    assert {f"{module}.{name}" for name in names_in_all(module)} - told == set()


@pytest.mark.parametrize("pool", [RedisPool, AsyncRedisPool])
def test_public_methods_of_a_pool_are_told(pool: type[object]):
    """But for those that are called between its floors."""
    ours = [cls for cls in pool.__mro__ if cls.__module__.startswith("redis_pool_ext")]
    names = {name for cls in ours for name in vars(cls) if not name.startswith("_")}

    assert names - BETWEEN_FLOORS == members_of(f"redis_pool_ext.{pool.__name__}")


def test_both_pools_are_told_alike():
    """An async one has `aclose` beside that."""
    sync, tasks = (members_of(f"redis_pool_ext.{name}") for name in ("RedisPool", "AsyncRedisPool"))

    assert tasks - sync == {"aclose"}
    assert sync - tasks == set()
