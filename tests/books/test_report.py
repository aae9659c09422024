"""Who holds what, and where it was taken: what the log says about a pool in trouble."""

from __future__ import annotations

import logging
import re
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
import redis

from redis_pool_ext import ConnectionPoolTimeoutError, PoolQueueFullError, RedisPool
from redis_pool_ext.books.report import Reported, caller_site
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.clock_ahead import Clock
from ..support.strikes import run_visited
from ..support.stub import StubConnection
from ..support.threads import spawn, wait_until

HERE = re.escape(__file__)


@pytest.fixture
def pool(url):
    """A pool of two that waits for nobody and looks for leaks; rounds are done by hand."""
    with RedisPool.from_url(
        url, max_connections=2, timeout=0, leak_detection_threshold=10, housekeeping_interval=None
    ) as pool:
        yield pool


def refuse(pool: RedisPool) -> None:
    with pytest.raises(ConnectionPoolTimeoutError):
        pool.get_connection()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.name for record in caplog.records} <= {"redis_pool_ext"}
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


class TestExhaustion:
    """One line that says who has the connections that others wait for."""

    def test_refusal_names_the_twenty_who_have_it_longest(self, clock, caplog):
        """Of hundreds, one who is refused would write pages."""
        pool = RedisPool(StubConnection, max_connections=23, timeout=0, housekeeping_interval=None)
        leases = [pool.lease(f"number {n}") for n in range(23)]
        for lease in leases:
            lease.take()
            clock.advance(1)
        refuse(pool)

        [line] = said(caplog)
        assert re.findall(r"(number \d+) for", line) == [f"number {n}" for n in range(20)]
        assert line.endswith("; and 3 more, for less long")

    def test_refusal_names_every_holder(self, pool, clock, caplog):
        """For how long, what it was last used for, and where it was taken; oldest first."""
        with pool.lease("the slow view") as slow, pool.lease("the report") as report:
            slow.set("k", "v")
            clock.advance(5)
            report.get("k")
            clock.advance(2)
            refuse(pool)

        [line] = said(caplog)
        taken = rf", taken at {HERE}:\d+ in test_refusal_names_every_holder"
        assert re.fullmatch(
            r"default: exhausted \(in_use=2 idle=0 waiting=0 max=2\), 1 refusal since the last "
            rf"report; held by: the slow view for 7\.\d s{taken} \(last command: SET\); "
            rf"the report for 2\.\d s{taken} \(last command: GET\)",
            line,
        )

    def test_borrower_without_a_name_is_named_all_the_same(self, caplog):
        """Without leak detection nobody looks where it was taken."""
        pool = RedisPool(StubConnection, max_connections=1, timeout=0)
        kept = pool.get_connection()
        refuse(pool)
        [line] = said(caplog)

        assert re.search(
            r"held by: a borrower without a name for 0\.\d s \(last command: none\)$", line
        )
        pool.release(kept)

    def test_full_queue_is_reported_as_well(self, caplog):
        """Another refusal, the same cause."""
        pool = RedisPool(StubConnection, max_connections=1, max_waiting=0)
        kept = pool.get_connection()
        with pytest.raises(PoolQueueFullError):
            pool.get_connection()

        assert len(said(caplog)) == 1
        pool.release(kept)

    def test_pause_is_not_called_exhaustion(self, caplog):
        """Nobody has them; they are kept back."""
        pool = RedisPool(StubConnection, max_connections=1, timeout=0)
        pool.release(pool.get_connection())
        pool.pause()
        refuse(pool)

        [line] = said(caplog)
        assert line == (
            "default: paused (in_use=0 idle=1 waiting=0 max=1), 1 refusal since the last report; "
            "held by: nobody"
        )

    def test_dials_under_way_are_nobodys(self, caplog):
        """All slots are taken, and nobody holds a connection yet."""
        gate = threading.Event()
        pool = RedisPool(StubConnection, max_connections=1, script=[gate.wait])
        dialling = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().connecting == 1)
        pool.timeout = 0
        refuse(pool)
        gate.set()
        pool.release(dialling.result())

        [line] = said(caplog)
        assert line.endswith("held by: nobody")

    def test_refusals_within_a_second_are_one_line(self, pool, clock, caplog):
        """The next line says how many there were."""
        kept = [pool.get_connection() for _ in range(2)]
        clock.stop()
        for _ in range(3):
            refuse(pool)
        assert len(said(caplog)) == 1
        clock.advance(1)
        refuse(pool)

        first, second = said(caplog)
        assert ", 1 refusal since the last report" in first
        assert ", 3 refusals since the last report" in second
        for connection in kept:
            pool.release(connection)

    def test_refusal_for_a_server_that_is_down_is_another_story(self, caplog):
        """Nobody holds what others wait for."""
        pool = RedisPool(StubConnection, script=[redis.ConnectionError("refused")])
        with pytest.raises(redis.ConnectionError):
            pool.get_connection()

        assert not any("exhausted" in line for line in said(caplog))

    def test_each_pool_reports_for_itself(self, caplog):
        """One that floods the log does not silence the others."""
        for alias in ("a", "b"):
            pool = RedisPool(StubConnection, max_connections=1, timeout=0, alias=alias)
            kept = pool.get_connection()
            refuse(pool)
            pool.release(kept)

        assert [line[:13] for line in said(caplog)] == ["a: exhausted ", "b: exhausted "]

    @pytest.mark.parametrize("validate_after", [None, 0])
    def test_what_the_one_before_did_is_not_put_on_this_one(self, url, caplog, validate_after):
        """Nor is the handshake, or the pool's own question."""
        with RedisPool.from_url(
            url, max_connections=1, timeout=0, validate_after=validate_after
        ) as pool:
            kept = pool.get_connection()
            refuse(pool)
            pool.release(kept)
            with pool.lease("the one before") as client:
                client.set("k", "v")
            kept = pool.get_connection()
            pool._ledger.refusing.reported = Reported()
            refuse(pool)
            pool.release(kept)

        after_the_dial, after_the_lease = said(caplog)
        assert after_the_dial.endswith("(last command: none)")
        assert after_the_lease.endswith("(last command: none)")


class TestRate:
    """When a report is due."""

    def test_first_refusal_is_due_at_once(self):
        """Whenever that is: also on a machine that has just started."""
        assert Reported().is_due(0.0) == 0

    def test_next_one_is_due_a_second_later(self):
        """It returns how many went unreported."""
        reported = Reported()

        answers = [reported.is_due(now) for now in (5.0, 5.5, 5.99, 6.0, 6.5, 9.0, 10.5)]
        assert answers == [0, None, None, 2, None, 1, 0]


class TestLeaks:
    """Leases that are out for too long."""

    def test_leak_is_logged_once_with_the_place(self, pool, clock, caplog):
        """The place is the program's line, not the pool's or redis-py's."""
        with pool.lease("the nightly job") as client:
            client.incr("runs")
            clock.advance(11)
            pool.keep_house()
            pool.keep_house()

            [line] = said(caplog)
            assert re.fullmatch(
                r"default: out for longer than 10 s: the nightly job for 11\.\d s, taken at "
                rf"{HERE}:\d+ in test_leak_is_logged_once_with_the_place \(last command: INCRBY\)",
                line,
            )
            assert pool.stats().leaked == 1

    def test_late_return_completes_the_story(self, pool, clock, caplog):
        """So that a slow one is told from one that never came back."""
        with pool.lease("the nightly job") as client:
            client.ping()
            clock.advance(11)
            pool.keep_house()
            clock.advance(20)

        assert re.match(
            r"default: returned late: the nightly job for 31\.\d s, taken at ", said(caplog)[1]
        )
        assert pool.stats().leaked == 1

    def test_who_comes_back_in_time_is_not_mentioned(self, pool, clock, caplog):
        """Nor is what idles, however long."""
        with pool.lease() as client:
            client.ping()
            clock.advance(9)
            pool.keep_house()
        clock.advance(20)
        pool.keep_house()

        assert said(caplog) == []
        assert pool.stats().leaked == 0

    def test_each_lease_is_judged_for_itself(self, pool, clock, caplog):
        """The next one on the same connection is neither late already nor excused."""
        for holder in ("one", "two"):
            with pool.lease(holder) as client:
                client.ping()
                clock.advance(11)
                pool.keep_house()

        words = ["out for", "returned late", "out for", "returned late"]
        assert all(word in line for word, line in zip(words, said(caplog), strict=True))
        assert pool.stats().leaked == 2
        assert pool.stats().created == 1

    def test_holder_who_came_during_a_round_is_not_late_already(self, clock):
        """Handed on at any place of it: if the next one keeps it, that will be news."""
        settings = {"leak_detection_threshold": 10, "housekeeping_interval": None}
        with RedisPool(StubConnection, max_connections=1, **settings) as pool:
            held = [pool.get_connection()]
            slot = held[0].slot

            def hand_on() -> None:
                pool.release(held.pop())
                held.append(pool.get_connection())

            def hand_on_unmarked() -> None:  # one that is marked waits for the round's end
                if slot.late_since is None:
                    spawn(hand_on).result()

            for place in count():
                clock.advance(11)
                taken_at = slot.taken_at
                where = run_visited(pool.keep_house, hand_on_unmarked, place)
                assert slot.taken_at == taken_at or slot.late_since != slot.taken_at, where
                hand_on()
                if where is None:
                    break

    def test_return_that_meets_the_round_leaves_no_mark(self, pool, clock, caplog, monkeypatch):
        """Found late in the middle of its return: the next holder is not blamed."""
        kept = pool.get_connection()
        clock.advance(11)

        class Shelf(list):
            def append(self, connection):
                pool.keep_house()
                super().append(connection)

        monkeypatch.setattr(pool._ledger, "idle", Shelf())
        pool.release(kept)
        caplog.clear()
        pool.release(pool.get_connection())

        assert said(caplog) == []

    def test_without_a_threshold_nobody_is_watched(self, clock, caplog):
        """None: no report, and no look at the caller's frames."""
        pool = RedisPool(StubConnection, housekeeping_interval=None)
        kept = pool.get_connection()
        clock.advance(10**6)
        pool.keep_house()

        assert kept.slot.site is None
        assert said(caplog) == []
        pool.release(kept)

    def test_housekeeper_reports_by_itself(self, url, clock, caplog):
        """Nobody has to ask."""
        with RedisPool.from_url(
            url, leak_detection_threshold=10, housekeeping_interval=0.005
        ) as pool:
            kept = pool.get_connection()
            clock.advance(11)
            wait_until(lambda: pool.stats().leaked == 1)
            pool.release(kept)

        assert "out for longer than 10 s" in caplog.text


class TestPlace:
    """Where a connection was taken."""

    def test_place_is_the_nearest_in_the_program(self):
        """File, line and function."""
        assert re.fullmatch(
            rf"{HERE}:\d+ in test_place_is_the_nearest_in_the_program", caller_site()
        )

    @pytest.mark.parametrize(
        "module", [sys.modules["redis"], sys.modules["redis_pool_ext"]], ids=lambda m: m.__name__
    )
    def test_library_with_a_name_that_begins_alike_is_the_program(self, module):
        """`redis_om` lies beside `redis`, and is none of it."""
        folder = Path(module.__file__).parent
        beside = f"{folder}_om/models.py"
        assert place_seen_from(beside) == f"{beside}:1 in <module>"
        assert place_seen_from(str(folder / "models.py")).startswith(__file__)


def place_seen_from(filename: str) -> str:
    found = {"caller_site": caller_site}
    exec(compile("site = caller_site()", filename, "exec"), found)
    return found["site"]


def test_no_line_shows_a_password_or_an_argument(clock: Clock, caplog):
    """Names of commands only, however they are spelled; and no secret of the address."""
    with EmbeddedRedis("--requirepass", "hush-1") as server:
        url = f"redis://:hush-1@127.0.0.1:{server.port}/0"
        settings = {"leak_detection_threshold": 10, "housekeeping_interval": None, "timeout": 0}
        for command in (
            ("SET", "hush-2", "hush-3"),
            ("SET hush-2 hush-3",),
            (b"set hush-2", b"hush-3"),
            ("AUTH hush-1",),
            ("CLIENT SETNAME hush-2",),
            ("EVAL", "return 'hush-2'", 0),
        ):
            pool = RedisPool.from_url(url, max_connections=1, **settings)
            with pool, pool.lease("a view") as client:
                client.execute_command(*command)
                refuse(pool)
                clock.advance(11)
                pool.keep_house()

    lines = said(caplog)
    assert len([line for line in lines if "last command: " in line]) == 3 * 6
    assert "hush" not in caplog.text
    assert {re.search(r"last command: ([^)]*)\)", line)[1] for line in lines if "last" in line} == {
        "SET", "AUTH", "CLIENT SETNAME", "EVAL",
    }  # fmt: skip
