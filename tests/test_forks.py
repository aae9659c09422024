"""The byte that a fork wipes: a child knows itself, whoever forked it, before its first step."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from redis_pool_ext import RedisPool, forks

from .support.forks import FORK_WARNS, fork_without_hooks, in_child
from .support.strikes import Strike
from .support.stub import StubConnection
from .support.threads import spawn

pytestmark = FORK_WARNS

both_kinds = pytest.mark.parametrize(
    "fork", [os.fork, fork_without_hooks], ids=["with hooks", "without"]
)


@pytest.fixture
def chores(monkeypatch):
    """The chores of children, without those of the package."""
    chores: list = []
    monkeypatch.setattr(forks, "_chores", chores)
    return chores


@pytest.fixture
def asked(monkeypatch):
    """How often the kernel was asked for the process id."""
    asked: list[int] = []
    ask = os.getpid

    def getpid() -> int:
        asked.append(ask())
        return asked[-1]

    monkeypatch.setattr(os, "getpid", getpid)
    return asked


def assert_knows_itself() -> None:
    assert forks.getpid() == os.getpid()
    assert forks.here[0]


def test_process_knows_itself():
    """From its import on."""
    assert forks.here[0]
    assert forks.getpid() == os.getpid()


@both_kinds
def test_child_knows_itself_and_its_parent_still_does(fork):
    """Each has its own id, at once."""
    in_child(assert_knows_itself, fork)

    assert_knows_itself()


def test_child_of_a_fork_without_hooks_has_yet_to_notice():
    """Nobody told it; the byte is what tells."""

    def child() -> None:
        assert not forks.here[0]
        assert_knows_itself()

    in_child(child, fork_without_hooks)


def test_child_of_a_fork_with_hooks_has_noticed():
    """Python told it, before anything else ran there."""

    def child() -> None:
        assert forks.here[0]
        assert forks._pid == os.getpid()

    in_child(child)


@both_kinds
@pytest.mark.parametrize("has_noticed", [True, False])
def test_grandchild_knows_itself(fork, has_noticed):
    """Also where the child in between forked before it had noticed."""

    def child() -> None:
        if has_noticed:
            assert_knows_itself()
        in_child(assert_knows_itself, fork_without_hooks)
        in_child(assert_knows_itself)
        assert_knows_itself()

    in_child(child, fork)


@both_kinds
def test_chores_are_done_before_the_child_has_its_id(fork, chores):
    """In their order, once, and with the parent's id still in place."""
    parent = os.getpid()
    done = []
    forks.in_child(lambda: done.append(("first", bool(forks.here[0]), forks._pid)))
    forks.in_child(lambda: done.append(("second", bool(forks.here[0]), forks._pid)))

    def child() -> None:
        assert_knows_itself()
        assert_knows_itself()
        assert done == [("first", False, parent), ("second", False, parent)]

    in_child(child, fork)
    assert done == []  # the parent has none


def test_chore_is_what_it_decorates(chores):
    """It can be called by its name as before."""

    def chore() -> None:
        pass

    assert forks.in_child(chore) is chore
    assert chores == [chore]


@both_kinds
def test_chores_that_were_struck_are_done_again(fork, chores, monkeypatch):
    """A signal in the middle of them leaves a child that does not know itself yet."""
    # After os.fork() Python reports what its hooks raise, and goes on.
    monkeypatch.setattr(sys, "unraisablehook", lambda _unraisable: None)
    done: list[str] = []

    def struck() -> None:
        done.append("struck")
        if done.count("struck") == 1:
            raise Strike

    forks.in_child(lambda: done.append("first"))
    forks.in_child(struck)

    def child() -> None:
        if fork is fork_without_hooks:
            with pytest.raises(Strike):
                forks.getpid()
        assert not forks.here[0]
        assert_knows_itself()
        assert done == ["first", "struck", "first", "struck"]

    in_child(child, fork)


def test_handler_in_the_middle_of_a_chore_does_them_all_and_goes_on(chores):
    """It must not wait for the thread that it interrupts."""
    done: list[str] = []

    def interrupted() -> None:
        done.append("begun")
        if done.count("begun") == 1:
            assert_knows_itself()  # a signal handler that uses the pool
        done.append("ended")

    forks.in_child(interrupted)

    def child() -> None:
        assert_knows_itself()
        assert done == ["begun", "begun", "ended", "ended"]

    in_child(child, fork_without_hooks)


class ReportingLock(forks.ProcessLock):
    """Says how many threads have come to it."""

    def __init__(self) -> None:
        super().__init__()
        self.second_came = threading.Event()
        self._came = 0

    def mine(self):
        self._came += 1
        if self._came == 2:
            self.second_came.set()
        return super().mine()

    def forget(self) -> None:
        self._came = 0
        self.second_came.clear()


def test_second_thread_of_a_child_waits_for_the_chores_of_the_first(chores, monkeypatch):
    """Both notice; one does them, and the other one uses nothing of the parent's meanwhile."""
    lock = ReportingLock()
    monkeypatch.setattr(forks, "_lock", lock)
    begun = threading.Event()
    log: list[str | int] = []

    def chore() -> None:
        begun.set()
        assert lock.second_came.wait(10), "the other thread came by without the lock"
        log.append("done")

    def notice() -> None:
        log.append(forks.getpid())

    def child() -> None:
        # Python was told of this fork, or it could not start a thread; we were not, so far.
        forks.in_child(chore)
        lock.forget()
        forks.here[0] = 0
        first = spawn(notice)
        assert begun.wait(10)
        second = spawn(notice)
        first.result()
        second.result()
        assert log == ["done", os.getpid(), os.getpid()]

    in_child(child)


@both_kinds
def test_lock_that_another_thread_of_the_parent_holds_is_not_the_childs(fork):
    """Each process has one of its own."""
    lock = forks.ProcessLock()
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.mine():
            held.set()
            let_go.wait(10)

    holder = spawn(hold)
    held.wait(10)

    def child() -> None:
        assert lock.mine().acquire(False)

    try:
        assert not lock.mine().acquire(False)
        in_child(child, fork)
    finally:
        let_go.set()
        holder.result()


def test_kernel_is_not_asked_for_the_id_again(asked):
    """That is a system call, and there is one question before each command."""
    for _ in range(3):
        forks.getpid()

    assert asked == []


@both_kinds
def test_child_asks_for_its_id_once(fork, asked):
    """As it notices, and not after."""

    def child() -> None:
        forks.getpid()
        asked.clear()
        for _ in range(3):
            forks.getpid()
        assert asked == []

    in_child(child, fork)


def test_pool_asks_for_no_id_as_it_lends_and_takes_back(asked):
    """Nor does a lease, from its beginning to its end."""
    with RedisPool(StubConnection, housekeeping_interval=None) as pool:
        pool.release(pool.get_connection())
        asked.clear()
        pool.release(pool.get_connection())
        with pool.lease() as client:
            client.connection_pool.take()

        assert asked == []


class TestWithoutThePage:
    """Where the kernel wipes no page in a child (not Linux, or an old one): it is asked."""

    @pytest.fixture
    def here(self, monkeypatch):
        """A page that this kernel does not have."""
        monkeypatch.setattr(forks, "_MADV_WIPEONFORK", 10_000)
        here = forks._page()
        here[0] = 1
        monkeypatch.setattr(forks, "here", here)
        return here

    def test_process_knows_itself(self, here, asked):
        """It asks each time, and that is what tells a child."""
        assert here[0]
        assert forks.getpid() == os.getpid()
        assert asked

    def test_it_does_not_know_itself_before_it_is_told(self, monkeypatch):
        """As a page that was just wiped."""
        monkeypatch.setattr(forks, "_MADV_WIPEONFORK", 10_000)
        here = forks._page()
        assert not here[0]
        here[0] = 1
        assert here[0]
        here[0] = 0
        assert not here[0]

    @both_kinds
    def test_child_does_its_chores(self, here, chores, fork):
        """Once, whoever forked it."""
        done: list[int] = []
        forks.in_child(lambda: done.append(1))

        def child() -> None:
            assert_knows_itself()
            assert_knows_itself()
            assert done == [1]

        in_child(child, fork)
        assert_knows_itself()

    def test_pool_begins_anew_in_a_child(self, url):
        """From the import on, in a program of its own."""
        program = f"""
import mmap, os, sys
del mmap.MAP_ANONYMOUS
from redis_pool_ext import LeaseError, RedisPool, forks
assert type(forks.here) is forks._PageByPid
pool = RedisPool.from_url({url!r}, housekeeping_interval=None)
client = pool.lease().client()
number = client.client_id()
pid = os.fork()
if pid == 0:
    try:
        client.ping()
    except LeaseError:
        with pool.lease() as own:
            os._exit(0 if own.client_id() != number and pool.stats().created == 1 else 2)
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert client.client_id() == number
"""
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
        )

        assert (ended.returncode, ended.stderr) == (0, "")
