"""The simulation: it repeats, its books balance, and it finds what is known."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from benchmarks.barging import BargingPool
from benchmarks.clockwork import Clockwork, seeded
from benchmarks.fleet import COMMAND, Fleet, Return
from benchmarks.paper import PaperPool
from benchmarks.servers import Roomy, Trouble
from benchmarks.simulation import Load, at_random, play
from benchmarks.storms import Arrival, Discipline, Retry, Storm, replay, simulate
from benchmarks.visits import Visit

FIFO = Discipline("fifo", {})
LENGTH = Discipline("max_waiting", {"max_waiting": 20})
CODEL = Discipline(
    "codel", {"queue_discipline": "codel", "queue_target": 0.01, "queue_interval": 0.1}
)
THEIRS = Discipline("redis-py blocking", None)
OURS = (FIFO, LENGTH, CODEL)

STORMS = (
    Storm("four times", seconds=1.0, rate=4.0),
    Storm("slow", seconds=2.0, rate=0.8, trouble=Trouble(0.5, 1.0, slower=10.0)),
    Storm("down", seconds=3.0, rate=0.8, trouble=Trouble(0.5, 1.0), retry=Retry(0.2, 2.0)),
    Storm("at once", seconds=1.0, rate=0.5, flashes=[(0.3, 400)]),
)


def of_name(thing: Any) -> str:
    return thing.name


class TestClock:
    """Time on paper."""

    def test_events_come_in_order_of_time_and_of_their_setting(self):
        """Those of one moment, first set first."""
        clock, seen = Clockwork(), []
        for moment, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (0.0, "first")):
            clock.at(moment, seen.append, name)
        clock.run()

        assert seen == ["first", "a", "b", "c"]
        assert clock.now == 2.0

    def test_what_is_set_for_the_past_happens_now(self):
        """The clock never goes back."""
        clock, seen = Clockwork(), []
        clock.at(1.0, lambda: clock.at(0.5, lambda: seen.append(clock.now)))
        clock.run()

        assert seen == [1.0]

    def test_chance_of_the_pools_own_code_is_seeded_and_given_back(self):
        """The circuit draws its backoff from the module's random numbers."""
        before = random.getstate()
        drawn = []
        for _ in range(2):
            with seeded(3):
                drawn.append(random.random())

        assert drawn[0] == drawn[1]
        assert random.getstate() == before


@pytest.mark.parametrize("discipline", [*OURS, THEIRS], ids=of_name)
def test_same_seed_repeats_to_the_last_digit(discipline):
    """And another one does not; in a storm with all that is left to chance."""
    [storm] = [each for each in STORMS if each.trouble and each.retry]
    first, second, other = (simulate(storm, discipline, seed).all for seed in (1, 1, 2))

    assert first == second != other


@pytest.mark.parametrize("storm", STORMS, ids=of_name)
@pytest.mark.parametrize("discipline", OURS, ids=of_name)
def test_books_balance_after_each_event(discipline, storm):
    """No more connections than there may be; and none idle while somebody waits."""
    steps = 0

    def look(pool: PaperPool) -> None:
        nonlocal steps
        steps += 1
        ledger = pool.ledger
        slots = len(ledger.slots())
        assert slots <= ledger.max_connections
        assert len(ledger.idle) + ledger.dialling <= slots
        assert not (ledger.queue and ledger.idle)

    simulate(storm, discipline, 1, look)

    assert steps > 1000


@pytest.mark.parametrize("storm", STORMS, ids=of_name)
@pytest.mark.parametrize("discipline", OURS, ids=of_name)
def test_everybody_who_came_was_served_or_refused(discipline, storm):
    """The pool's own counters say the same as those who came, and nobody is left in it."""
    pools: list[PaperPool] = []
    outcome = simulate(storm, discipline, 1, lambda pool: pools.append(pool) if not pools else None)
    stats = pools[0].ledger.stats()

    assert len(outcome.all) == stats.acquired + stats.refused
    # Who had a connection that broke in the middle had one.
    assert sum(each.is_served for each in outcome.all) <= stats.acquired
    assert (stats.waiting, stats.in_use, stats.connecting) == (0, 0, 0)
    assert stats.idle <= storm.size


def test_fifo_is_what_the_plain_formula_of_a_queue_says():
    """The pool's books, and a heap of the moments at which connections are free again."""
    rng = random.Random(5)
    load = Load.of("steady", at_random(rng, 20.0, 400.0), lambda: rng.expovariate(1 / 0.009))
    plain = play(load, 4, timeout=60.0)
    arrivals = [Arrival(*each) for each in zip(load.arrivals, load.holds, strict=True)]
    outcome = replay(FIFO, arrivals, size=4, timeout=60.0, span=(0.0, 20.0))

    assert sum(each.wait > 0 for each in plain) > 1000
    assert [each.seconds for each in outcome.all] == pytest.approx(
        [each.wait + (each.hold or 0) for each in plain]
    )


def test_mean_wait_is_erlangs():
    """M/M/4 at 70 %: C / (c mu - lambda), with Erlang's C."""
    storm = Storm("M/M/4", seconds=150.0, rate=0.7, size=4, hold=0.01, timeout=60.0)
    outcome = simulate(storm, FIFO, 11)
    waits = sum(outcome.served) / len(outcome.served) - storm.hold

    share_that_waits = 0.4287  # Erlang's C(4, 2.8)
    assert waits == pytest.approx(share_that_waits / (400.0 - 280.0), rel=0.05)


class TestDisciplines:
    """What each of them is known for, at four times the load."""

    @staticmethod
    def at_four_times(discipline: Discipline) -> dict[str, float]:
        rng = random.Random(2)
        arrivals = [Arrival(at, 0.005) for at in at_random(rng, 2.0, 8000.0)]
        outcome = replay(discipline, arrivals, size=10, timeout=0.2, span=(0.5, 2.0))
        return outcome.figures(2000.0, 0.2)

    def test_fixed_timeout_serves_nobody_in_time(self):
        """All who are served have waited for the whole of it."""
        figures = self.at_four_times(FIFO)

        assert figures["goodput"] < 5
        assert figures["served"] > 95
        assert figures["told p50"] == pytest.approx(0.2)

    def test_codel_serves_in_time_and_refuses_at_once(self):
        """The wait is at most twice the target, and all of the capacity is used."""
        figures = self.at_four_times(CODEL)

        assert figures["goodput"] > 95
        assert figures["p99"] <= 2 * 0.01 + 0.005
        assert figures["told p50"] == 0.0

    def test_theirs_lets_newcomers_overtake(self):
        """So a few are in time, and most are not."""
        figures = self.at_four_times(THEIRS)

        assert 5 < figures["goodput"] < 80

    def test_codel_lets_a_burst_pass(self):
        """A queue that comes and goes is a good one."""
        storm = Storm("bursts", 3.0, rate=0.4, flashes=[(n / 10, 40) for n in range(30)])

        assert simulate(storm, CODEL, 1).refused == []

    def test_codel_follows_a_server_that_is_slow(self):
        """A number of waiters is right for one hold only; a time is right for all."""
        storm = Storm(
            "slow", 4.0, begin=1.5, until=3.0, rate=0.8, trouble=Trouble(1.0, 3.0, slower=5.0)
        )
        waits = {
            each.name: simulate(storm, each, 1).figures(storm.possible, 0.2)["p50"]
            for each in (CODEL, Discipline("max_waiting", {"max_waiting": 40}))
        }

        assert waits["codel"] < waits["max_waiting"] / 2


class TestBarging:
    """redis-py's blocking pool, as a model of its queue."""

    @staticmethod
    def visits(arrivals: list[float], timeout: float = 1.0) -> list[Visit]:
        clock = Clockwork()
        pool = BargingPool(clock, Roomy(clock), max_connections=1, timeout=timeout)
        visits = [Visit(0.1) for _ in arrivals]
        for at, visit in zip(arrivals, visits, strict=True):
            clock.at(at, pool.visit, visit)
        clock.run()
        return visits

    def test_newcomer_overtakes_who_is_about_to_wake_up(self):
        """The one who was woken finds nothing, and goes on waiting."""
        first, overtaken, newcomer = self.visits([0.0, 0.05, 0.10001])

        assert first.end == overtaken.end == newcomer.end == "served"
        assert newcomer.seconds == pytest.approx(0.1, rel=0.01)
        assert overtaken.seconds > 0.2

    def test_who_waits_for_too_long_is_refused(self):
        """After the timeout, and not before."""
        *_, last = self.visits([0.0, 0.01, 0.02], timeout=0.15)

        assert (last.end, last.seconds) == ("timed_out", pytest.approx(0.15))


class TestOutage:
    """A server that goes away, and comes back."""

    @staticmethod
    def ends(trouble: Trouble, moments: list[float]) -> list[tuple[str | None, float]]:
        with seeded(1):
            clock = Clockwork()
            server = Roomy(clock, trouble)
            pool = PaperPool(clock, server, max_connections=2, timeout=0.2)
            pool.fill()
            visits = [Visit(0.005) for _ in moments]
            for at, visit in zip(moments, visits, strict=True):
                clock.at(at, pool.visit, visit)
            clock.run()
        return [(visit.end, visit.seconds) for visit in visits]

    def test_work_in_progress_breaks_and_the_circuit_opens(self):
        """After three dials in vain nobody waits for a fourth, but for the one who knocks."""
        found = self.ends(Trouble(1.0, 9.0), [0.999, 1.1, 1.2, 1.3, 1.3005])

        assert [end for end, _ in found] == ["broken", *["unavailable"] * 4]
        assert found[-1][1] == 0.0

    def test_housekeeper_finds_the_server_before_anybody_comes(self):
        """So the next request is served on the connection that it has made: no dial of its own."""
        found = self.ends(Trouble(1.0, 2.0), [0.5, 1.1, 1.2, 1.3, 8.0])

        assert found[-1] == ("served", pytest.approx(0.005))

    def test_connection_of_before_the_outage_is_not_lent(self):
        """Nobody used the pool meanwhile, and the first who comes gets a new one."""
        assert self.ends(Trouble(1.0, 2.0), [0.5, 3.0])[-1] == ("served", pytest.approx(0.006))


class TestFleet:
    """Many pools on one server."""

    @pytest.mark.parametrize("connections", [1, 4])
    def test_server_makes_wait_as_many_as_there_are_connections(self, connections):
        """Whatever the pools refuse, who has a connection stands in the server's queue."""
        outcome, waits = Fleet(50, connections).run(4.0, 0.3, seed=1)
        longest = 50 * connections * COMMAND

        assert sorted(waits)[len(waits) // 2] == pytest.approx(longest, rel=0.05)
        assert outcome.throughput() == pytest.approx(1 / COMMAND, rel=0.02)

    def test_all_workers_come_back_after_an_outage(self):
        """Within the longest backoff, and what it takes until somebody asks."""
        found = Return(50, 20.0, outage=2.0, handshake=0.0002).run(8.0, seed=1)

        assert 0 < found["half after"] <= found["all after"] < 5.0

    def test_more_dials_at_a_time_bring_them_back_later(self):
        """Where handshakes are dear, each dial too many delays somebody's first."""
        after = [
            Return(50, 20.0, outage=0.5, handshake=0.02, max_connecting=dials).run(8.0, seed=1)
            for dials in (1, 8)
        ]

        assert after[0]["half after"] < after[1]["half after"]


def test_dial_that_takes_too_long_is_given_up_at_its_callers_deadline():
    """What comes of it later is nobody's connection."""
    clock = Clockwork()
    pool = PaperPool(clock, Roomy(clock, dial=1.0), max_connections=1, timeout=0.2)
    visit = Visit(0.005)
    pool.visit(visit)
    clock.run()

    assert (visit.end, visit.seconds) == ("unavailable", pytest.approx(0.2))
    assert pool.ledger.slots() == []


def test_who_comes_late_to_the_pool_has_waited_since_it_came():
    """As in a real run, where a thread has to wake up first."""
    arrivals = [Arrival(1.0, hold=0.1, late=0.5), Arrival(1.05, hold=0.1)]
    found = replay(FIFO, arrivals, size=1, timeout=1.0, span=(0.0, 2.0)).all

    # The second came while the first one was not there yet.
    assert [each.seconds for each in found] == pytest.approx([0.6, 0.1])
    assert found[0].late == 0.5


@pytest.mark.parametrize("retry", [None, Retry(0.05, tries=3)])
def test_who_is_refused_comes_again_as_often_as_it_may(retry):
    """And no more often than that."""
    storm = Storm("four times", seconds=1.0, rate=4.0, retry=retry)
    tries = Counter(each.client for each in simulate(storm, LENGTH, 1).all)

    assert max(tries.values()) == (retry.tries if retry else 1)
