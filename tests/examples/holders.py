"""Visitors who hold a connection each, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import redis

from example_django import poll

from ..support.threads import wait_until
from .site import MAX, Site


@contextmanager
def connections_held(
    site: Site, admin: redis.Redis, number: int = MAX, path: str = "/report/"
) -> Iterator[None]:
    """Let slow reports take so many connections for the length of the block."""
    with ThreadPoolExecutor(number) as threads:
        reports = [
            threads.submit(site.visitor().get, f"{path}?seconds=10", "application/json")
            for _ in range(number)
        ]
        wait_until(lambda: len(waiting(admin)) == number)
        try:
            yield
        finally:
            # They wait for items that never come. Here they come, and nobody waits long.
            admin.rpush(poll.NEVER, *range(10 * number))
        assert [report.result().status for report in reports] == [200] * number


def waiting(admin: redis.Redis) -> list[dict[str, str]]:
    """Return the connections that wait for an item of a list."""
    return [client for client in admin.client_list() if client["cmd"] == "blpop"]
