"""The last minutes of a pool, as the observer's thread takes them down."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.books.report import NOBODY
from redis_pool_ext.histogram import NOTHING, Histogram
from redis_pool_ext.pooling import housekeeper
from redis_pool_ext.sizing import history
from redis_pool_ext.sizing.history import History, kind_of
from redis_pool_ext.sizing.samples import Sample, Window

from ..support.clock_ahead import Clock
from ..support.forks import in_child
from ..support.stub import StubConnection
from ..support.threads import wait_until


@pytest.fixture
def pool() -> Iterator[RedisPool]:
    """A pool that nobody looks at but the test."""
    with RedisPool(StubConnection, max_connections=4, housekeeping_interval=None) as pool:
        yield pool


def second(pool: RedisPool, clock: Clock, looks: int = 1) -> Sample:
    """Let a second pass, and return what it was."""
    for _ in range(looks - 1):
        pool.history.keep_house()
    clock.advance(1.0)
    pool.history.keep_house()
    return pool.samples()[-1]


class TestSamples:
    """What a second says."""

    def test_first_look_takes_no_sample(self, pool, clock):
        """It is what the next one is compared with."""
        pool.history.keep_house()

        assert pool.samples() == []

    def test_sample_counts_what_happened_in_its_second(self, pool, clock):
        """Not what had happened before."""
        pool.release(pool.get_connection())
        pool.history.keep_house()
        for _ in range(3):
            pool.release(pool.get_connection())
        sample = second(pool, clock)

        assert (sample.arrivals, sample.acquired, sample.refused) == (3, 3, 0)
        assert (sample.holds.total, sample.waits.total, sample.waited) == (3, 3, 0)
        assert sample.seconds == pytest.approx(1.0, abs=0.5)

    def test_refused_requests_are_arrivals_with_a_wait(self, clock):
        """Those who failed count, or overload would look like leisure."""
        with RedisPool(
            StubConnection, max_connections=1, timeout=0, housekeeping_interval=None
        ) as pool:
            held = pool.get_connection()
            pool.history.keep_house()
            with pytest.raises(redis.ConnectionError):
                pool.get_connection()
            sample = second(pool, clock)
            pool.release(held)

        assert (sample.arrivals, sample.acquired, sample.refused) == (1, 0, 1)
        assert sample.waits.total == 1

    def test_peak_is_exact_between_two_looks(self, pool, clock):
        """Three at once, and nobody looked while they were out."""
        pool.history.keep_house()
        held = [pool.get_connection() for _ in range(3)]
        for connection in held:
            pool.release(connection)
        sample = second(pool, clock)

        assert (sample.peak, sample.in_use) == (3, 0)

    def test_peak_is_one_where_one_at_a_time_is_out(self, pool, clock):
        """However many connections there are, and however often one is lent."""
        for connection in [pool.get_connection() for _ in range(3)]:
            pool.release(connection)
        pool.history.keep_house()
        clock.advance(1.0)
        pool.history.keep_house()
        for _ in range(10):
            pool.release(pool.get_connection())
        sample = second(pool, clock)

        assert sample.peak == 1

    def test_connection_that_was_only_made_ready_was_not_in_use(self, pool, clock):
        """Filling up to min_idle is no traffic."""
        pool.history.keep_house()
        pool.warm_up(3)
        sample = second(pool, clock)

        assert (sample.peak, sample.idle) == (0, 3)

    def test_held_over_seconds_counts_in_each(self, pool, clock):
        """Also where it neither came nor went."""
        held = pool.get_connection()
        pool.history.keep_house()
        assert second(pool, clock).peak == 1
        assert second(pool, clock, looks=3).used == 3
        pool.release(held)

    def test_looks_see_who_waits(self, clock):
        """Those who wait are there, too: `busy` is both."""
        with RedisPool(StubConnection, max_connections=1, housekeeping_interval=None) as pool:
            held = pool.get_connection()
            pool.history.keep_house()
            waiter = threading.Thread(target=lambda: pool.release(pool.get_connection()))
            waiter.start()
            wait_until(lambda: pool.stats().waiting == 1)
            sample = second(pool, clock)
            pool.release(held)
            waiter.join()
            after = second(pool, clock)

        assert (sample.waiting, sample.longest_queue, sample.busy) == (1, 1, 2)
        assert (sample.arrivals, after.arrivals) == (1, 0)
        assert after.waits.total == 1

    def test_five_minutes_are_kept(self, pool, clock):
        """A fixed size, however long the process runs."""
        pool.history.keep_house()
        for _ in range(history.SECONDS + 10):
            second(pool, clock)

        assert len(pool.samples()) == history.SECONDS

    def test_seconds_without_a_lease_share_their_histograms(self, pool, clock):
        """An idle pool's minutes take next to no memory."""
        pool.history.keep_house()

        assert second(pool, clock).waits is second(pool, clock).holds is NOTHING

    def test_first_look_leaves_to_the_pool_what_it_has_to_do(self, pool, monkeypatch):
        """The observer only reads: what finalizers have left behind is not for its thread."""
        with monkeypatch.context() as patched:
            patched.setattr(pool, "_settle", lambda: pytest.fail("settled by the observer"))
            pool.history.keep_house()

    def test_follower_that_fails_is_logged_once(self, pool, clock, monkeypatch, caplog):
        """Of each pool and second it would be a flood; the samples are taken all the same."""

        def follow() -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(history, "_followers", [follow])
        monkeypatch.setattr(history, "_failing", [])
        pool.history.keep_house()
        for _ in range(3):
            second(pool, clock)

        assert len(pool.samples()) == 3
        assert len(caplog.records) == 1

    def test_samples_become_json(self, pool, clock):
        """For pages and commands."""
        pool.history.keep_house()
        plain = json.loads(json.dumps(second(pool, clock).as_dict()))

        assert {"at", "peak", "arrivals", "waits_p99", "holds_p50"} <= plain.keys()


def sample(**facts: Any) -> Sample:
    """Return one second, nought where nothing is said."""
    numbers = dict.fromkeys(Sample.__slots__, 0)
    return Sample(**numbers | {"seconds": 1.0, "waits": NOTHING, "holds": NOTHING} | facts)


class TestWindows:
    """Seconds in sum."""

    def test_nothing_is_a_window_too(self):
        """Before the first sample."""
        window = Window.of([])

        assert (window.seconds, window.arrivals, window.arrivals_per_second) == (0, 0, 0.0)
        assert (window.dispersion, window.peakedness) == (1.0, 1.0)

    def test_counts_add_up_and_peaks_do_not(self):
        """The highest of the peaks is the window's."""
        window = Window.of([sample(arrivals=3, peak=2), sample(arrivals=5, peak=7)])

        assert (window.arrivals, window.peak, window.arrivals_per_second) == (8, 7, 4.0)

    def test_times_add_up_by_size(self):
        """So the percentiles are those of all of them."""
        window = Window.of(
            [sample(waits=Histogram.from_times([0.5])), sample(waits=Histogram.from_times([0.001]))]
        )

        assert (window.waits.total, window.waits.seconds) == (2, 0.501)

    def test_arrivals_in_step_have_no_dispersion(self):
        """The same number each second, also where one second was a little longer."""
        steady = [sample(arrivals=100), sample(arrivals=120, seconds=1.2), sample(arrivals=100)]

        assert Window.of(steady).dispersion == pytest.approx(0.0)

    def test_arrivals_in_bursts_have_much(self):
        """Variance over mean, of their number per second."""
        assert Window.of([sample(arrivals=0), sample(arrivals=200)] * 5).dispersion > 100

    def test_peakedness_is_variance_over_mean_of_the_looks(self):
        """Looks that saw 0, 0, 0 and 8: mean 2, mean square 16."""
        assert Window.of([sample(looks=4, busy=8, busy_squares=64)]).peakedness == 6.0

    def test_window_takes_the_last_seconds_only(self, pool, clock):
        """Of more than that there are."""
        pool.history.keep_house()
        pool.release(pool.get_connection())
        second(pool, clock)
        second(pool, clock)

        assert (pool.window(1).arrivals, pool.window(60).arrivals) == (0, 1)


class Request:
    """A holder that has something in common with its like."""

    kind = "GET /report/<id>"

    def __str__(self) -> str:
        return "GET /report/7"


class TestHolders:
    """Who has been holding."""

    def test_shares_are_of_the_looks_by_kind(self, pool, clock):
        """Two requests of one view count together."""
        with pool.lease(Request()) as one, pool.lease(Request()) as two, pool.lease("job") as job:
            for client in (one, two, job):
                client.connection_pool.take()
            pool.history.keep_house()

        assert pool.shares() == {
            "GET /report/<id>": pytest.approx(2 / 3),
            "job": pytest.approx(1 / 3),
        }

    def test_what_was_long_ago_counts_less(self, pool, clock):
        """After some minutes it has faded."""
        with pool.lease("before") as client:
            client.connection_pool.take()
            pool.history.keep_house()
        for _ in range(400):
            second(pool, clock)

        assert pool.shares() == {}

    def test_number_of_kinds_is_bounded(self, pool, clock):
        """Names may hold numbers, and a process runs for months."""
        for number in range(history._KINDS_MAX + 50):
            with pool.lease(f"job {number}") as client:
                client.connection_pool.take()
                pool.history.keep_house()

        assert len(pool.shares()) == history._KINDS_MAX

    def test_holders_are_told_with_age_and_command_the_oldest_first(self, url):
        """As the report at exhaustion has them."""
        with (
            RedisPool.from_url(url, housekeeping_interval=None) as pool,
            pool.lease(Request()) as first,
            pool.lease() as other,
        ):
            first.hgetall("key")
            other.connection_pool.take()
            told = pool.holders()

        assert [(each.name, each.kind, each.last_command) for each in told] == [
            ("GET /report/7", "GET /report/<id>", "HGETALL"),
            (NOBODY, NOBODY, None),
        ]
        assert told[0].seconds >= told[1].seconds >= 0.0

    def test_kind_that_cannot_be_told_is_nobodys(self):
        """A request's own properties may fail in another thread; the observer goes on."""

        class Broken:
            def __str__(self) -> str:
                raise RuntimeError("the request is over")

        assert kind_of(Broken()) == NOBODY


def observers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "redis_pool_ext-observer"]


class TestObserver:
    """The thread that looks."""

    def test_it_looks_at_every_pool_with_a_connection(self, monkeypatch):
        """And there is one of it."""
        monkeypatch.setattr(history, "_LOOKS_EVERY", 0.005)
        with RedisPool(StubConnection) as one, RedisPool(StubConnection) as two:
            for pool in (one, two):
                pool.release(pool.get_connection())
            wait_until(lambda: one.history._looks > 1 and two.history._looks > 1)

        assert len(observers()) == 1

    def test_pool_without_rounds_is_not_looked_at(self):
        """`housekeeping_interval=None`: no thread of ours."""
        with RedisPool(StubConnection, housekeeping_interval=None) as pool:
            pool.release(pool.get_connection())

            assert pool.history not in housekeeper._observer._rounds

    def test_many_pools_share_a_round(self, monkeypatch):
        """However many moments they are due at, the thread goes round a few times a second."""
        pools = [RedisPool(StubConnection) for _ in range(50)]
        keeper = housekeeper._Housekeeper("of many")
        monkeypatch.setattr(keeper, "_start", lambda: None)
        for pool in pools:
            keeper.add(pool.history, 0.0)  # all of them are due

        assert keeper._pause() == pytest.approx(housekeeper._BREATH)

    def test_it_keeps_no_pool_alive(self, monkeypatch):
        """A pool that is dropped is collected, history and all."""
        monkeypatch.setattr(history, "_LOOKS_EVERY", 0.005)
        pool = RedisPool(StubConnection)
        pool.release(pool.get_connection())
        gone = weakref.ref(pool)
        del pool
        gc.collect()

        wait_until(lambda: gone() is None)

    def test_companion_starts_in_its_thread_once(self, monkeypatch):
        """What is to begin in a process that serves, and in no other one."""
        started: list[str] = []
        companions = [lambda: started.append(threading.current_thread().name)]
        monkeypatch.setattr(housekeeper, "_companions", companions)
        monkeypatch.setattr(
            housekeeper,
            "_observer",
            housekeeper._Housekeeper("observer", housekeeper._start_companions),
        )
        with RedisPool(StubConnection) as pool:
            assert started == []
            for connection in [pool.get_connection(), pool.get_connection()]:
                pool.release(connection)
            wait_until(lambda: started != [])

        assert started == ["redis_pool_ext-observer"]

    def test_companion_that_fails_is_logged_and_the_looks_go_on(self, monkeypatch, caplog):
        """Nobody's requests depend on it."""

        def fail() -> None:
            raise RuntimeError("no room")

        monkeypatch.setattr(history, "_LOOKS_EVERY", 0.005)
        monkeypatch.setattr(housekeeper, "_companions", [fail])
        monkeypatch.setattr(
            housekeeper,
            "_observer",
            housekeeper._Housekeeper("observer", housekeeper._start_companions),
        )
        with RedisPool(StubConnection) as pool:
            pool.release(pool.get_connection())
            wait_until(lambda: pool.history._looks > 0)

        assert "no room" in caplog.text

    def test_child_of_a_fork_begins_with_an_empty_history(self, pool, clock):
        """The parent's minutes are not its own."""
        pool.release(pool.get_connection())
        pool.history.keep_house()
        second(pool, clock)

        def child() -> None:
            assert pool.samples() == []

        in_child(child)
        assert len(pool.samples()) == 1


def test_history_of_a_pool_that_is_gone_is_over():
    """The thread forgets it."""
    pool = RedisPool(StubConnection)
    kept = History(pool)
    del pool
    gc.collect()

    assert kept.is_closed
    assert kept.round_every is None
