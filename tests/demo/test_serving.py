"""The web server of the demo."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any
from urllib.request import urlopen

import pytest

from redis_pool_ext.demo.failure import DemoError
from redis_pool_ext.demo.serving import THREADS, serve


def hello(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def test_served_application_answers_until_the_stack_ends() -> None:
    """It listens at once, and no longer afterwards; its threads are gone then."""
    before = threading.active_count()
    with ExitStack() as stack:
        port = serve(hello, 0, stack)
        with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
            assert response.read() == b"hello"
        assert threading.active_count() == before + THREADS + 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert threading.active_count() == before


def test_wanted_port_is_used() -> None:
    """A port that is asked for is the one served on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        wanted = free.getsockname()[1]
    with ExitStack() as stack:
        assert serve(hello, wanted, stack) == wanted


def test_taken_port_is_an_error_that_names_it() -> None:
    """Somebody else's port is refused with a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as other, ExitStack() as stack:
        port = other.getsockname()[1]
        with pytest.raises(DemoError, match=f"Port {port} cannot be used"):
            serve(hello, port, stack)


def test_stop_does_not_wait_for_a_page_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is still being made gets a moment, not more."""
    monkeypatch.setattr("redis_pool_ext.demo.serving.GRACE", 0.1)
    entered, finish = threading.Event(), threading.Event()

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        finish.wait(20)
        return hello(environ, start_response)

    with ExitStack() as stack:
        port = serve(endless, 0, stack)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as visitor:
            visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert entered.wait(10)
            stack.close()
            assert visitor.recv(1) == b""
    finish.set()
