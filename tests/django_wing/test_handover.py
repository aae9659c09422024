"""`settings.REDIS_POOLS` reaches the process, at start-up and when a test changes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.test import override_settings

from redis_pool_ext import ConfigError, RedisPool, get_pool, get_redis


def test_pool_is_there_without_any_request(pool: RedisPool) -> None:
    """A management command or a task calls get_pool() and get_redis(); no middleware ran."""
    assert get_pool() is pool
    assert get_redis().ping()


def test_getting_ready_connects_nothing(pool: RedisPool) -> None:
    """ready() a second time leaves the pools as they are, and opens no connection."""
    apps.get_app_config("redis_pool_ext").ready()
    assert get_pool() is pool
    assert pool.stats().created == 0


def test_override_settings_works_and_is_undone(pool: RedisPool, url: str) -> None:
    """Inside, the pools are the overriding ones; after it, the settings are as before."""
    with override_settings(REDIS_POOLS={"default": f"{url}?max_connections=7"}):
        assert get_pool().max_connections == 7
        inside = get_pool()
    assert inside.is_closed
    assert get_pool().max_connections == 2
    assert get_redis().ping()


def test_wrong_settings_are_told_to_whoever_asks(settings: Any, pool: RedisPool) -> None:
    """Where nobody ran the checks, get_pool() says what is wrong, not that all is missing."""
    settings.REDIS_POOLS = {"default": {"URL": "redis://x:s3cret@localhost", "TIMEOT": 1}}
    with pytest.raises(ConfigError, match="did you mean 'TIMEOUT'") as info:
        get_pool()
    assert "s3cret" not in str(info.value)


def test_wrong_settings_are_forgotten_when_corrected(settings: Any, url: str) -> None:
    """The complaint lasts as long as its cause."""
    settings.REDIS_POOLS = 5
    settings.REDIS_POOLS = {"default": url}
    assert get_redis().ping()


@pytest.mark.usefixtures("missing_settings")
def test_missing_settings_are_told_to_whoever_asks() -> None:
    """Without REDIS_POOLS, get_pool() says what to set."""
    with pytest.raises(ConfigError, match="set REDIS_POOLS in Django's settings"):
        get_pool()
