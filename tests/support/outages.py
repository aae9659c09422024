"""What a site owes its visitors while Redis is down; each wing runs these on a site of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from redis_pool_ext import RedisPool, RedisPoolError
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.observing import Observer, add_observer, remove_observer

from .leases import look_after
from .proxy import FaultyProxy
from .server import Server
from .threads import spawn, wait_until

TIMEOUT = 0.2
HOUSEKEEPER = "redis_pool_ext-housekeeper"

# Seconds to which the pauses between two probes are cut; after so many they would be longer.
LONGEST_PAUSE = 0.02
GROWN_AFTER = 3


@dataclass
class Site:
    """A site on a pool through a proxy; `ask` is one visitor: status, and when to come back.

    `between` happens in the middle of a view that uses Redis twice, for `ask_twice`.
    """

    pool: RedisPool
    ask: Callable[[], tuple[int, str | None]]
    ask_twice: Callable[[], tuple[int, str | None]]
    between: list[Callable[[], Any]]


class Dials(Observer):
    """Notes which threads have dialled in vain."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def not_made(self, pool: Any) -> None:
        self.failed.append(threading.current_thread().name)


def open_circuit(site: Site) -> None:
    """Let visitors find out that Redis is down; the housekeeper may be probing by then."""
    while site.pool.stats().circuit == "closed":
        assert site.ask()[0] == 503


def nobody_keeps_house(site: Site) -> None:
    """Leave the probe to the visitors; call it before the circuit opens."""
    site.pool.housekeeping_interval = None


def probe_is_due(site: Site, *, is_due: bool = True) -> None:
    site.pool._ledger.circuit.next_probe = monotonic() + (0.0 if is_due else 3600.0)


class OutageCase:
    """A server of the test's own, behind a proxy."""

    @pytest.fixture
    def own_server(self) -> Iterator[Server]:
        with Server() as server:
            yield server

    @pytest.fixture
    def proxy(self, own_server: Server) -> Iterator[FaultyProxy]:
        with FaultyProxy(own_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def dials(self) -> Iterator[Dials]:
        dials = Dials()
        add_observer(dials)
        yield dials
        remove_observer(dials)


class CircuitContract(OutageCase):
    """Instant 503 while Redis is down, one probe, quick return."""

    def test_open_circuit_answers_503_and_dials_nothing(self, site, proxy):
        """However many come; and each is told when to come again."""
        nobody_keeps_house(site)
        proxy.refuse()
        open_circuit(site)
        probe_is_due(site, is_due=False)

        answers = [site.ask() for _ in range(20)]
        assert {status for status, _ in answers} == {503}
        assert all(int(seconds or 0) >= 1 for _, seconds in answers)
        assert site.pool.stats().create_failures == FAILURES_TO_OPEN

    def test_of_twenty_at_the_probe_one_dials_and_the_others_are_answered(self, site, proxy):
        """They do not wait for the prober, who is in a black hole."""
        nobody_keeps_house(site)
        proxy.swallow()
        open_circuit(site)
        site.pool.timeout = 20.0
        accepted = proxy.accepted
        probe_is_due(site)

        visitors = [spawn(site.ask) for _ in range(20)]
        wait_until(lambda: sum(not visitor.is_alive() for visitor in visitors) == 19)
        assert site.pool.stats().circuit == "probing"
        proxy.resume()
        assert sorted(visitor.result()[0] for visitor in visitors) == [200, *[503] * 19]
        assert proxy.accepted - accepted == 1
        assert site.pool.stats().circuit == "closed"

    def test_server_that_is_back_is_used_after_one_probe(self, site, own_server, proxy, caplog):
        """Without a restart of the site; the log has one line for the outage, one for its end."""
        nobody_keeps_house(site)
        assert site.ask()[0] == 200
        own_server.stop()
        while site.pool.stats().circuit == "closed":
            assert site.ask()[0] in (500, 503)
        probe_is_due(site, is_due=False)
        assert site.ask()[0] == 503
        own_server.start()
        probe_is_due(site)

        assert [site.ask()[0] for _ in range(3)] == [200] * 3
        said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        said = [line for line in said if line.startswith("default: Redis")]
        assert len(said) == 2
        assert "cannot be reached" in said[0]
        assert said[1] == "default: Redis is reached again"

    def test_lease_that_breaks_meets_the_open_circuit_with_503(
        self, site, own_server, proxy, monkeypatch
    ):
        """The server goes in the middle of a view, and others find that out."""
        nobody_keeps_house(site)
        dialled: list[int] = []

        def go_down() -> None:
            own_server.stop()
            while site.pool.stats().circuit == "closed":
                with pytest.raises(RedisPoolError):
                    site.pool.get_connection()
            probe_is_due(site, is_due=False)
            wait_until(lambda: not proxy._sockets)  # the leased one is closed, too
            dialled.append(site.pool.stats().create_failures)

        look_after(0.0, monkeypatch)  # as if the view had paused
        site.between.append(go_down)
        status, seconds = site.ask_twice()
        assert status == 503
        assert int(seconds or 0) >= 1
        assert dialled == [site.pool.stats().create_failures]
        assert site.pool.stats().in_use == 0

    def test_server_that_is_back_is_found_without_a_visitor(self, site, proxy):
        """The first who comes then is served, and nobody has been the prober."""
        proxy.refuse()
        open_circuit(site)
        told = site.pool.stats().unavailable
        proxy.resume()

        wait_until(lambda: site.pool.stats().circuit == "closed")
        assert site.ask()[0] == 200
        assert site.pool.stats().unavailable == told

    def test_server_that_is_back_is_found_by_the_next_probe(self, site, proxy, dials):
        """So the way back takes one pause between two probes at most, whoever asks meanwhile."""
        circuit = site.pool._ledger.circuit
        circuit._longest_backoff = LONGEST_PAUSE
        proxy.refuse()
        open_circuit(site)
        wait_until(lambda: dials.failed.count(HOUSEKEEPER) > GROWN_AFTER)
        proxy.resume()
        failed, pause = len(dials.failed), circuit.next_probe - monotonic()

        wait_until(lambda: site.ask()[0] == 200)
        assert pause <= LONGEST_PAUSE
        assert len(dials.failed) <= failed + 1  # one that was under way

    def test_black_hole_costs_no_visitor_a_timeout_once_it_is_known(self, site, proxy, dials):
        """The housekeeper tries it again and again; visitors are answered without a dial."""
        proxy.swallow()
        open_circuit(site)
        assert HOUSEKEEPER not in dials.failed
        while dials.failed.count(HOUSEKEEPER) < 2:
            assert site.ask()[0] == 503

        assert set(dials.failed[FAILURES_TO_OPEN:]) == {HOUSEKEEPER}
