"""Each story of the leak table, on plain redis-py and on our pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import ANY

import pytest
import redis

from redis_pool_ext import RedisPool

from .conftest import Site
from .stories import STORIES, Stage, Story
from .table import Setting

# Python 3.12 and later warn of forks in programs with threads; that is what is told.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

TOLD = [
    pytest.param(story, setting, id=f"{story}-{setting}")
    for story in STORIES
    for setting in story.settings
]

MakeStage = Callable[[type[Any], Setting], Stage]


@pytest.fixture
def stage(sites: dict[str, Site]) -> Iterator[MakeStage]:
    """Make a stage for a class of pools; what was on it is closed afterwards."""
    made: list[Stage] = []

    def make(pool_class: type[Any], setting: Setting) -> Stage:
        site = sites["alone"]
        made.append(Stage(address=site.address(setting), pool_class=pool_class, admin=site.admin))
        return made[-1]

    yield make
    for pool in (pool for stage in made for pool in stage.pools):
        with suppress(redis.RedisError):
            pool.close()


@pytest.mark.parametrize(("story", "setting"), TOLD)
def test_plain_redis_py_ends_badly(stage: MakeStage, monkeypatch, story: Story, setting: Setting):
    """The leak is really there."""
    # Its cache asks for Redis 7.4, and works on older ones, and on Valkey, too.
    monkeypatch.setattr(redis.connection.CacheProxyConnection, "MIN_ALLOWED_VERSION", "6.0.0")
    monkeypatch.setattr(redis.connection.CacheProxyConnection, "DEFAULT_SERVER_NAME", ANY)

    seen = story.happens(stage(story.plain_pool, setting))

    assert seen == story.leaked, f"redis-py {redis.__version__} behaves otherwise"


@pytest.mark.parametrize(("story", "setting"), TOLD)
def test_our_pool_ends_well(stage: MakeStage, story: Story, setting: Setting):
    """It goes on as it was, or it is told."""
    assert story.happens(stage(RedisPool, setting)) == story.ours
