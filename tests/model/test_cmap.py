"""The cases that MongoDB's specification of connection pools (CMAP) tests, for this pool.

The cases are theirs, the words and steps are ours. CMAP is the one specification of pools
with tests for any language: github.com/mongodb/specifications, connection-monitoring-and-
pooling. "clear" is `drain()` here, "check out" is to take and "check in" to give back. Where
this pool does otherwise on purpose, the case says why.
"""

from __future__ import annotations

import pytest

from .stage import Case, Stage

TABLE = [
    # -- connections ------------------------------------------------------------------------
    Case(
        "a connection has a number, and a later one a higher one",
        {},
        ("a takes", "b takes", "-> a is numbered before b"),
    ),
    Case(
        "a pool begins with nothing",
        {},
        ("-> in_use=0 idle=0 connecting=0 generation=0", "-> 0 open sockets"),
        differs="CMAP's pool is paused until its server was found; a pool here is ready at once",
    ),
    # -- taking -----------------------------------------------------------------------------
    Case("one takes, and a connection is made", {}, ("a takes", "-> held by a", "-> created=1")),
    Case(
        "three take, and three are made",
        {},
        ("a takes", "b takes", "c takes", "-> held by a b c", "-> in_use=3 created=3"),
    ),
    Case(
        "there are at most max_connections",
        {"max_connections": 3},
        ("a takes", "b takes", "c takes", "d takes", "-> in_use=3 waiting=1", "-> 3 open sockets"),
    ),
    Case(
        "the last one that came back is taken first",
        {},
        ("a takes", "b takes", "a gives back", "b gives back", "c takes", "-> c has what b had"),
    ),
    Case(
        "nobody is lent one that was idle for too long",
        {"idle_timeout": 10},
        ("a takes", "a gives back", "11 s pass", "b takes", "-> b has another one than a",
         "-> discarded: stale=1", "-> 1 open sockets"),
    ),
    Case(
        "nobody is lent one of an older generation",
        {},
        ("a takes", "a gives back", "drain", "b takes", "-> b has another one than a",
         "-> generation=1 created=2"),
    ),
    Case(
        "nobody is lent one that has died",
        {},
        ("a takes", "a gives back", "1 s pass", "idle ones die", "b takes",
         "-> b has another one than a", "-> discarded: stale=1"),
    ),
    Case(
        "nobody is lent one that has outlived its time",
        {"max_lifetime": 10},
        ("a takes", "a gives back", "11 s pass", "b takes", "-> b has another one than a"),
    ),
    Case(
        "from a closed pool nobody takes",
        {},
        ("close", "a takes", "-> a is told PoolClosedError", "-> closed=1 created=0"),
    ),
    Case(
        "a dial that fails frees its place",
        {"max_connections": 1},
        ("dials fail", "a takes", "-> a is told PoolUnavailableError", "-> connecting=0",
         "dials go on", "b takes", "-> held by b"),
    ),
    Case(
        "a dial that fails lets the next in the queue dial",
        {"max_connections": 1},
        ("dials hang", "a takes", "b takes", "-> connecting=1 waiting=1", "dials fail",
         "-> a is told PoolUnavailableError", "-> b is told PoolUnavailableError",
         "-> waiting=0 connecting=0 create_failures=2"),
    ),
    # -- max_connecting -----------------------------------------------------------------------
    Case(
        "two dial at a time, a third waits",
        {},
        ("dials hang", "a takes", "b takes", "c takes", "-> connecting=2 waiting=1",
         "dials go on", "-> held by a b c"),
    ),
    Case(
        "as many dial at a time as was set",
        {"max_connecting": 1},
        ("dials hang", "a takes", "b takes", "-> connecting=1 waiting=1"),
    ),
    Case(
        "who waits for a turn to dial may time out",
        {},
        ("dials hang", "a takes", "b takes", "c takes within 0.1", "0.2 s pass",
         "-> c is told ConnectionPoolTimeoutError", "-> connecting=2 waiting=0"),
    ),
    Case(
        "one that comes back serves who waits for a turn to dial",
        {"max_connections": 4},
        ("a takes", "dials hang", "b takes", "c takes", "d takes", "-> connecting=2 waiting=1",
         "a gives back", "-> d has what a had", "-> connecting=2 waiting=0"),
    ),
    Case(
        "who needs a new one in place of a dead one dials in turn, too",
        {"max_connecting": 1},
        ("a takes", "b takes", "a gives back", "b gives back", "1 s pass", "idle ones die",
         "dials hang", "c takes", "d takes", "-> connecting=1 waiting=1"),
    ),
    Case(
        "who comes back to the queue for a dead one is not one too many",
        {"max_connecting": 1, "max_waiting": 0},
        ("a takes", "dials hang", "b takes", "a gives back", "1 s pass", "idle ones die",
         "c takes", "-> connecting=1 waiting=1", "dials go on", "-> held by b c"),
    ),
    # -- giving back --------------------------------------------------------------------------
    Case(
        "one that comes back is idle",
        {},
        ("a takes", "a gives back", "-> in_use=0 idle=1", "-> discarded: none"),
    ),
    Case(
        "one that comes back is taken again",
        {},
        ("a takes", "a gives back", "b takes", "-> b has what a had", "-> created=1"),
    ),
    Case(
        "one of an older generation is closed when it comes back",
        {},
        ("a takes", "drain", "-> in_use=1", "-> 1 open sockets", "a gives back",
         "-> discarded: drained=1", "-> in_use=0 idle=0", "-> 0 open sockets"),
    ),
    Case(
        "one that comes back to a closed pool is closed",
        {},
        ("a takes", "close", "-> 1 open sockets", "a gives back",
         "-> discarded: pool_closed=1", "-> 0 open sockets"),
    ),
    Case(
        "one that broke is closed when it comes back, and its place is free",
        {"max_connections": 1},
        ("a takes", "b takes", "a gives back broken", "-> held by b",
         "-> b has another one than a", "-> discarded: error=1"),
    ),
    Case(
        "one that owes a reply is closed when it comes back",
        {},
        ("a takes", "a gives back dirty", "-> idle=0", "-> discarded: dirty=1"),
        differs="CMAP leaves it to the driver to say that a connection is bad",
    ),
    Case(
        "a second return is refused, and changes nothing",
        {"max_connections": 1},
        ("a takes", "a gives back", "a gives back again", "-> a is told LeaseError",
         "-> in_use=0 idle=1 double_releases=1"),
    ),
    Case(
        "a second return does not end the lease of the next one",
        {"max_connections": 1},
        ("a takes", "a gives back", "1 s pass", "b takes", "-> b has what a had", "-> in_use=1"),
    ),
    # -- the queue ----------------------------------------------------------------------------
    Case(
        "who came first is served first",
        {"max_connections": 1},
        ("a takes", "b takes", "c takes", "d takes", "a gives back", "b gives back",
         "c gives back", "-> served in order: a b c d"),
    ),
    Case(
        "who has waited for so long leaves the queue at once",
        {"max_connections": 1},
        ("a takes", "b takes within 0.05", "0.04 s pass", "-> waiting=1", "0.02 s pass",
         "-> b is told ConnectionPoolTimeoutError", "-> waiting=0 timed_out=1"),
    ),
    Case(
        "who left the queue is passed over",
        {"max_connections": 1},
        ("a takes", "b takes within 0.05", "c takes", "1 s pass", "a gives back",
         "-> served in order: a c"),
    ),
    Case(
        "one more than may wait is told at once",
        {"max_connections": 1, "max_waiting": 1},
        ("a takes", "b takes", "c takes", "-> c is told PoolQueueFullError", "-> waiting=1"),
        differs="CMAP deprecates a bounded queue, because it prefers who comes later; here it "
        "is a choice, and off by default",
    ),
    # -- clearing -----------------------------------------------------------------------------
    Case(
        "clearing begins a new generation and closes the idle ones",
        {},
        ("a takes", "b takes", "b gives back", "drain", "-> generation=1 in_use=1 idle=0",
         "-> 1 open sockets"),
    ),
    Case(
        "clearing lets those wait who wait",
        {"max_connections": 1},
        ("a takes", "b takes", "drain", "-> waiting=1", "a gives back", "-> held by b",
         "-> b has another one than a"),
        differs="CMAP's clear follows a network error, and sends the queue away; drain() is "
        "maintenance, and for a server that is down there is the circuit",
    ),
    Case(
        "a server that cannot be reached sends the queue away",
        {"max_connections": 4, "max_connecting": 3},
        ("dials hang", "a takes", "b takes", "c takes", "d takes", "-> connecting=3 waiting=1",
         "dials fail", "-> d is told PoolUnavailableError", "-> waiting=0 circuit=open"),
        differs="CMAP clears the pool at the first error; here three dials in a row must fail",
    ),
    Case(
        "clearing cuts nobody who is using a connection",
        {},
        ("a takes", "drain", "-> held by a", "-> 1 open sockets"),
        differs="CMAP may interrupt those in use; here nobody's command is cut off, ever",
    ),
    Case(
        "clearing lets a dial go on, and what it made is used once",
        {},
        ("dials hang", "a takes", "drain", "dials go on", "-> held by a", "a gives back",
         "-> discarded: drained=1"),
        differs="CMAP may interrupt the dial; here its caller would lose the time it has waited",
    ),
    Case(
        "clearing twice is fine",
        {},
        ("a takes", "drain", "drain", "-> generation=2", "a gives back", "-> discarded: drained=1"),
        differs="CMAP ignores the second clear of a paused pool",
    ),
    Case(
        "after clearing, the pool is filled up again",
        {"min_idle": 2},
        ("keep_house", "-> idle=2", "drain", "-> idle=0", "keep_house", "-> idle=2 generation=1"),
    ),
    # -- pausing ------------------------------------------------------------------------------
    Case(
        "a paused pool lends nothing until it is ready",
        {},
        ("pause", "a takes", "-> waiting=1 connecting=0 is_paused=True", "resume", "-> held by a"),
        differs="CMAP tells who asks a paused pool at once; here it is a short maintenance",
    ),
    Case(
        "who waits at a paused pool may time out",
        {},
        ("pause", "a takes within 0.1", "0.2 s pass", "-> a is told ConnectionPoolTimeoutError"),
    ),
    Case("ready twice is fine", {}, ("resume", "resume", "a takes", "-> held by a")),
    Case(
        "what comes back to a paused pool stays there",
        {"max_connections": 1},
        ("a takes", "b takes", "pause", "a gives back", "-> idle=1 waiting=1", "resume",
         "-> b has what a had"),
    ),
    # -- filling up ---------------------------------------------------------------------------
    Case(
        "min_idle are kept ready",
        {"min_idle": 3},
        ("keep_house", "-> idle=3 created=3", "a takes", "-> created=3", "keep_house", "-> idle=3"),
        differs="CMAP counts those in use as well; here so many are ready for the next ones",
    ),
    Case(
        "filling up dials one at a time, and lets others dial",
        {"min_idle": 3},
        ("dials hang", "keep_house", "-> connecting=1", "a takes", "-> connecting=2 waiting=0"),
    ),
    Case(
        "a dial that fails ends the filling up, and harms nobody",
        {"min_idle": 2},
        ("dials fail", "keep_house", "-> idle=0 connecting=0 create_failures=1", "dials go on",
         "keep_house", "-> idle=2"),
        differs="CMAP clears the pool; here the next round tries again",
    ),
    Case(
        "more than may idle are not dialled for nothing",
        {"max_idle": 1},
        ("warm_up 3", "-> warm_up is told ConfigError", "-> created=0"),
    ),
    Case(
        "more than may idle are closed when they come back",
        {"max_idle": 1},
        ("a takes", "b takes", "a gives back", "b gives back", "-> discarded: surplus=1"),
    ),
    Case(
        "idle ones that are too old are closed in time",
        {"idle_timeout": 10},
        ("a takes", "a gives back", "11 s pass", "keep_house", "-> discarded: idle=1",
         "-> 0 open sockets"),
    ),
    # -- closing ------------------------------------------------------------------------------
    Case(
        "closing closes the idle ones",
        {},
        ("a takes", "b takes", "a gives back", "b gives back", "close", "-> 0 open sockets",
         "-> discarded: pool_closed=2"),
    ),
    Case(
        "closing sends the queue away",
        {"max_connections": 1},
        ("a takes", "b takes", "close", "-> b is told PoolClosedError", "-> waiting=0",
         "-> held by a"),
    ),
    Case("closing twice is fine", {}, ("close", "close", "-> is_closed=True")),
    Case(
        "a dial that ends after the close is not lent",
        {},
        ("dials hang", "a takes", "close", "dials go on", "-> a is told PoolClosedError",
         "-> 0 open sockets"),
    ),
    # -- sizes at run time (CMAP has none) ------------------------------------------------------
    Case(
        "a pool that grows serves who waits",
        {"max_connections": 1},
        ("a takes", "b takes", "-> waiting=1", "resize 2", "-> held by a b"),
    ),
    Case(
        "a pool that shrinks closes what is too much as it comes back",
        {"max_connections": 2},
        ("a takes", "b takes", "resize 1", "-> 2 open sockets", "a gives back",
         "-> discarded: surplus=1", "b gives back", "-> idle=1", "-> 1 open sockets"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name.replace(" ", "-"))
def test_case_of_the_specification_holds(case):
    """Each step of the case does what it says."""
    Stage.play(case)
