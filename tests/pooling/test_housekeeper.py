"""The housekeeper: one thread per process, which nobody has to start or end."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from contextlib import suppress
from typing import Any

import pytest
import redis

from redis_pool_ext import RedisPool
from redis_pool_ext.pooling import housekeeper

from ..support.forks import in_child
from ..support.program import run_to_its_end
from ..support.stub import StubConnection
from ..support.threads import wait_until

OFTEN = 0.005  # seconds between two rounds


class CountingPool(RedisPool):
    """Counts its rounds; what is in `trouble` is raised in the next ones."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.rounds = 0
        self.keepers: set[threading.Thread] = set()
        self.trouble: list[BaseException] = []
        super().__init__(*args, **kwargs)

    def keep_house(self) -> None:
        self.rounds += 1
        self.keepers.add(threading.current_thread())
        if self.trouble:
            raise self.trouble.pop()
        super().keep_house()


def counting_pool(**kwargs: Any) -> CountingPool:
    return CountingPool(StubConnection, **{"housekeeping_interval": OFTEN} | kwargs)


def connect(pool: RedisPool) -> None:
    pool.release(pool.get_connection())


def keepers() -> list[threading.Thread]:
    threads = [t for t in threading.enumerate() if t.name == "redis_pool_ext-housekeeper"]
    return [thread for thread in threads if thread not in of_other_tests]


of_other_tests: set[threading.Thread] = set()  # their pools have rounds every 30 s


@pytest.fixture(autouse=True)
def nobody_keeps_house(monkeypatch):
    """A process whose pools have not been used yet, and no thread left at the end."""
    of_other_tests.update(keepers())
    monkeypatch.setattr(housekeeper, "_housekeeper", housekeeper._Housekeeper())
    yield
    housekeeper._housekeeper._rounds.clear()
    wait_until(lambda: rung_out(housekeeper._housekeeper))


def rung_out(keeper: housekeeper._Housekeeper) -> bool:
    with suppress(RuntimeError):  # rung, and not heard yet
        keeper._bell.release()
    return not keepers()


class TestStarting:
    """When there is a thread, and when not."""

    def test_it_starts_with_the_first_connection(self):
        """Not with the pool: that is made at import, and in processes that only fork."""
        pool = counting_pool()
        assert keepers() == []
        connect(pool)

        assert len(keepers()) == 1

    def test_it_does_not_keep_the_program_alive(self):
        """A daemon thread."""
        pool = counting_pool()
        connect(pool)

        assert all(thread.daemon for thread in keepers())

    def test_failed_dial_starts_nothing(self):
        """There is nothing to look after."""
        pool = counting_pool(script=[redis.ConnectionError("refused")])
        with pytest.raises(redis.ConnectionError):
            connect(pool)

        assert keepers() == []

    def test_pool_without_an_interval_has_no_thread(self):
        """None: the program keeps house itself, or nobody does."""
        pool = counting_pool(housekeeping_interval=None)
        connect(pool)

        assert keepers() == []

    def test_import_and_configuration_start_no_thread(self, url):
        """Nothing at import, and nothing in a process that has used no pool."""
        said = run_to_its_end(f"""
import threading
import redis_pool_ext
redis_pool_ext.configure({{"default": {url!r}}})
pool = redis_pool_ext.get_pool()
print(threading.active_count())
pool.client.ping()
print(threading.active_count())
""")

        assert said.split() == ["1", "3"]  # a housekeeper and an observer


class TestRounds:
    """Who is visited."""

    def test_one_thread_goes_round_all_pools(self):
        """Each pool by the same one."""
        pools = [counting_pool() for _ in range(3)]
        for pool in pools:
            connect(pool)
        wait_until(lambda: all(pool.rounds > 1 for pool in pools))

        assert len(set.union(*(pool.keepers for pool in pools))) == 1

    def test_each_pool_has_its_own_interval(self):
        """A pool that joins is not kept waiting by one that wants a round an hour."""
        seldom, often = counting_pool(housekeeping_interval=3600), counting_pool()
        connect(seldom)
        connect(often)
        wait_until(lambda: often.rounds > 2)

        assert seldom.rounds == 0
        assert len(keepers()) == 1

    def test_it_does_what_a_round_by_hand_does(self):
        """Filled up to `min_idle`, without a caller."""
        pool = counting_pool(min_idle=3)
        connect(pool)
        wait_until(lambda: pool.stats().idle == 3)

        assert pool.stats().acquired == 1

    def test_round_that_fails_is_logged_and_is_not_the_last(self, caplog):
        """Neither of that pool nor of the others."""
        pool, other = counting_pool(alias="a"), counting_pool(alias="b")
        pool.trouble.append(ZeroDivisionError("on purpose"))
        connect(pool)
        connect(other)
        wait_until(lambda: pool.rounds > 2 and other.rounds > 1)
        [record] = [r for r in caplog.records if r.levelno == logging.ERROR]

        assert record.getMessage() == "a: housekeeping failed"
        assert "on purpose" in caplog.text

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_thread_that_was_ended_is_replaced_at_the_next_dial(self):
        """A worker's time limit may strike in any thread."""
        pool = counting_pool()
        connect(pool)
        [first] = keepers()
        pool.trouble.append(SystemExit())
        first.join(10)
        assert keepers() == []
        pool.drain()
        connect(pool)
        before = pool.rounds
        wait_until(lambda: pool.rounds > before)

        assert len(keepers()) == 1


class TestEnding:
    """It holds nothing, and does not outlive its work."""

    def test_it_holds_no_pool_alive(self):
        """A pool that is dropped is gone, rounds or not."""
        pools = [counting_pool()]
        connect(pools[0])
        wait_until(lambda: pools[0].rounds > 1)
        dropped = weakref.ref(pools.pop())

        wait_until(lambda: gc.collect() >= 0 and dropped() is None)

    def test_it_ends_with_the_last_pool(self):
        """A thread without work is none."""
        pools = [counting_pool(), counting_pool()]
        for pool in pools:
            connect(pool)
        del pool, pools[0]
        wait_until(lambda: pools[0].rounds > 2)
        assert len(keepers()) == 1
        pools.clear()

        wait_until(lambda: gc.collect() >= 0 and not keepers())

    def test_it_leaves_closed_pools_alone(self):
        """There is nothing to keep; and a thread without other pools is none."""
        pool = counting_pool()
        connect(pool)
        wait_until(lambda: pool.rounds > 1)
        pool.close()

        wait_until(lambda: not keepers())

    def test_it_starts_again_with_the_next_one(self):
        """After it has ended."""
        connect(counting_pool())
        wait_until(lambda: gc.collect() >= 0 and not keepers())
        pool = counting_pool()
        connect(pool)

        wait_until(lambda: pool.rounds > 0)

    def test_pool_that_dies_during_a_look_does_not_end_it_with_an_error(self):
        """Pools are collected by other threads, at any time."""

        class Vanishing(dict):
            """Has an entry until it is looked for."""

            def values(self):
                self.clear()
                return super().values()

        keeper = housekeeper._Housekeeper()
        keeper._rounds = Vanishing({counting_pool(): 0.0})

        assert keeper._pause() in (0.0, None)

    def test_program_ends_without_noise(self, url):
        """In the middle of a round, or between two: nothing on stderr, status 0."""
        said = run_to_its_end(f"""
import redis_pool_ext
pools = [
    redis_pool_ext.RedisPool.from_url({url!r}, housekeeping_interval=0.0001, min_idle=1)
    for _ in range(8)
]
for pool in pools:
    pool.client.ping()
    pool.drain()  # and the housekeeper dials
print("done")
""")

        assert said == "done\n"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
class TestFork:
    """Threads do not survive a fork."""

    def test_child_has_none_until_it_connects(self):
        """Then it has its own, and its pool has its rounds."""
        pool = counting_pool()
        connect(pool)

        def child() -> None:
            before = pool.rounds
            assert keepers() == []
            connect(pool)
            assert len(keepers()) == 1
            wait_until(lambda: pool.rounds > before)

        in_child(child)
        before = pool.rounds
        wait_until(lambda: pool.rounds > before)  # and the parent's goes on

    def test_lock_that_was_held_at_the_fork_does_not_block_the_child(self):
        """The parent's thread is not there to let go of it."""
        pool = counting_pool()
        connect(pool)
        held, let_go = threading.Event(), threading.Event()
        lock = housekeeper._housekeeper._lock

        def hold() -> None:
            with lock:
                held.set()
                let_go.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        try:
            in_child(lambda: connect(pool))
        finally:
            let_go.set()
            holder.join()

    def test_fork_without_hooks_is_noticed(self):
        """A server that forks in C (uWSGI) runs no Python hooks: no thread can be trusted."""
        pool = counting_pool()
        connect(pool)
        parents = len(keepers())
        housekeeper._housekeeper._pid = -1  # as if this were the child
        pool.drain()
        connect(pool)

        assert len(keepers()) == parents
