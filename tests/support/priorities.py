"""What a view's priority is worth to its visitors; each wing runs these on a site of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis_pool_ext import RedisPool

from .threads import Spawned, spawn, wait_until


@dataclass
class Counter:
    """What the views of a site do: note that they run; a report stays while the door is shut."""

    served: list[str] = field(default_factory=list)
    door: threading.Event = field(default_factory=threading.Event)

    def serve(self, name: str) -> str:
        self.served.append(name)
        assert name != "report" or self.door.wait(20)
        return name


@dataclass
class Site:
    """`visit` a view, "/login" of a high priority or "/report" of a low one; returns the status."""

    pool: RedisPool
    visit: Callable[[str], int]
    counter: Counter


MakeSite = Callable[..., Site]


@contextmanager
def doors_open(counter: Counter) -> Iterator[None]:
    """Let everybody out at the end, also of a test that fails."""
    try:
        yield
    finally:
        counter.door.set()


class PriorityCase:
    """The wing's `make_site` takes the pool's settings, and returns a site on a real server."""

    def test_higher_priority_is_answered_first_though_it_came_later(self, make_site: MakeSite):
        """In the line for one connection a login goes before the report that was there."""
        site = make_site(MAX_CONNECTIONS=1)
        site.counter.door.set()

        def in_line(path: str, place: int) -> Spawned:
            visitor = spawn(site.visit, path)
            wait_until(lambda: site.pool.stats().waiting == place)
            return visitor

        with site.pool.lease() as holder:
            holder.ping()
            visitors = [in_line("/report", 1), in_line("/login", 2)]

        assert [visitor.result() for visitor in visitors] == [200, 200]
        assert site.counter.served == ["login", "report"]

    def test_reserved_connection_is_there_for_a_login_while_reports_are_refused(
        self, make_site: MakeSite
    ):
        """The last one is not lent to them, whoever comes first."""
        site = make_site(MAX_CONNECTIONS=2, RESERVED={"high": 1})
        fill(site.pool)
        with doors_open(site.counter):
            first = spawn(site.visit, "/report")
            wait_until(lambda: site.counter.served == ["report"])
            site.pool.timeout = 0.0
            assert site.visit("/report") == 503
            assert site.pool.stats().idle == 1
            assert site.visit("/login") == 200
        assert first.result() == 200
        assert site.counter.served == ["report", "login"]


def fill(pool: RedisPool) -> None:
    """Have all its connections made, so that nobody has to dial."""
    leases: list[Any] = [pool.lease(priority="high") for _ in range(pool.max_connections)]
    for lease in leases:
        lease.__enter__().ping()
    for lease in leases:
        lease.__exit__(None, None, None)
