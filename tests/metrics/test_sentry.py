"""Sentry: a long wait is a breadcrumb of the events of its request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from sentry_sdk.transport import Transport
from werkzeug.test import Client

from redis_pool_ext import ConnectionPoolTimeoutError, RedisPool

from ..support.stub import StubConnection


class InMemory(Transport):
    """Keeps what would be sent."""

    events: list[dict[str, Any]]

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events = []

    def capture_envelope(self, envelope: Any) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def sent() -> Iterator[list[dict[str, Any]]]:
    """The events of a real SDK that sends nothing over the network."""
    transport = InMemory()
    sentry_sdk.init(
        "http://key@localhost/1",
        transport=transport,
        # Its own for logging, and none that patches redis-py for other tests.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration()],
    )
    yield transport.events
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_long_wait_is_a_breadcrumb_of_its_request(sent, caplog: pytest.LogCaptureFixture):
    """The next request's events do not have it."""
    caplog.set_level(logging.INFO, "redis_pool_ext")
    pool = RedisPool(
        StubConnection, alias="sentry", max_connections=1, timeout=0.15, housekeeping_interval=None
    )
    out = pool.get_connection()

    def view(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/waits":
            with pytest.raises(ConnectionPoolTimeoutError):
                pool.get_connection()
        sentry_sdk.capture_message(f"something happened in {environ['PATH_INFO']}")
        return [b"ok"]

    browser = Client(SentryWsgiMiddleware(view))
    for path in ("/waits", "/does_not"):
        browser.get(path)
    pool.release(out)

    waits, does_not = (
        [crumb["message"] for crumb in event.get("breadcrumbs", {}).get("values", ())]
        for event in sent
        if event.get("message", "").startswith("something happened")
    )
    [long_wait] = [message for message in waits if "somebody waited 0.1" in message]
    assert long_wait.startswith("sentry: ")
    assert "in vain (timed_out)" in long_wait
    assert "in_use=1 idle=0 waiting=0 max=1" in long_wait
    assert does_not == []
