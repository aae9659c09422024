"""Errors: what catches them, what they carry, what they say."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import pytest
import redis
from redis.exceptions import MaxConnectionsError

from redis_pool_ext import (
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    PoolClosedError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolStats,
    PoolUnavailableError,
    RedisPoolError,
)
from redis_pool_ext.books import refusals
from redis_pool_ext.books.records import Refusal
from redis_pool_ext.books.refusing import Look
from redis_pool_ext.stats import Counters, snapshot

ALL = [
    ConnectionPoolTimeoutError,
    LeaseError,
    LeaseStateLostError,
    PoolClosedError,
    PoolExhaustedError,
    PoolQueueFullError,
    PoolUnavailableError,
    RedisPoolError,
]


def stats_of(**sizes: Any) -> PoolStats:
    """Return the numbers of a full pool of 16 with nine in the queue."""
    usual: dict[str, Any] = {
        "alias": "default",
        "max_connections": 16,
        "in_use": 16,
        "idle": 0,
        "connecting": 0,
        "waiting": 9,
        "generation": 0,
        "circuit": "closed",
        "is_closed": False,
        "is_paused": False,
    }
    return snapshot(Counters(), **usual | sizes)


LOOK = Look(stats_of(), 0.0)


class TestClasses:
    """Handlers that exist keep working, and nobody catches too much."""

    @pytest.mark.parametrize("error_class", ALL)
    def test_every_error_is_a_redis_error(self, error_class: type[Exception]):
        """Whoever catches redis-py's root, or ours, catches them all."""
        assert issubclass(error_class, RedisPoolError)
        assert issubclass(error_class, redis.RedisError)

    @pytest.mark.parametrize(
        ("error_class", "is_caught"),
        [
            (PoolExhaustedError, True),
            (ConnectionPoolTimeoutError, True),
            (PoolQueueFullError, True),
            (PoolUnavailableError, True),
            (LeaseStateLostError, True),  # pipelines clean up on it
            (LeaseError, False),
            (PoolClosedError, False),
            (RedisPoolError, False),
        ],
    )
    def test_redis_connection_error_catches_what_it_should(
        self, error_class: type[Exception], is_caught: bool
    ):
        """`except redis.ConnectionError` means: no connection. A mistake is something else."""
        assert issubclass(error_class, redis.ConnectionError) is is_caught

    @pytest.mark.parametrize("error_class", ALL)
    def test_only_exhaustion_is_a_max_connections_error(self, error_class: type[Exception]):
        """redis-py's cluster client takes no such error for a dead node."""
        is_exhausted = issubclass(error_class, PoolExhaustedError)

        assert issubclass(error_class, MaxConnectionsError) is is_exhausted

    @pytest.mark.parametrize("error_class", [ConnectionPoolTimeoutError, PoolQueueFullError])
    def test_both_kinds_of_exhaustion_share_a_class(self, error_class: type[Exception]):
        """One handler serves both."""
        assert issubclass(error_class, PoolExhaustedError)


class TestCarrying:
    """What goes with an error goes everywhere with it."""

    @pytest.mark.parametrize("error_class", ALL)
    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_copy_keeps_message_alias_stats_and_time(
        self, error_class: type[RedisPoolError], again: Any
    ):
        """Celery and multiprocessing pickle errors."""
        error = error_class("no", alias="default", stats=stats_of(), retry_after=3)
        other = again(error)

        assert type(other) is error_class
        assert str(other) == "no"
        assert (other.alias, other.stats, other.retry_after) == ("default", stats_of(), 3)

    @pytest.mark.parametrize("error_class", ALL)
    def test_error_needs_no_details(self, error_class: type[RedisPoolError]):
        """A test of a project's own can raise one in a word."""
        error = error_class()

        assert (error.alias, error.stats, error.retry_after) == (None, None, None)

    def test_repr_says_class_and_message(self):
        """redis-py's own says "network:ConnectionError"."""
        assert repr(PoolClosedError("gone")) == "PoolClosedError('gone')"


class TestRefusals:
    """The sentences: what happened, the numbers, what to do."""

    def test_timeout_says_the_numbers_and_the_way_out(self):
        """The message of the design, to the letter."""
        error = refusals.exhausted(Refusal.TIMED_OUT, LOOK, 2)

        assert type(error) is ConnectionPoolTimeoutError
        assert str(error) == (
            'no connection within 2.00 s (pool "default": in_use=16 idle=0 waiting=9 max=16); '
            "raise MAX_CONNECTIONS or hold leases shorter"
        )
        assert (error.alias, error.stats) == ("default", stats_of())

    @pytest.mark.parametrize(
        ("in_use", "connecting", "is_the_dials"),
        [(0, 2, True), (0, 16, True), (5, 2, True), (14, 2, False), (16, 0, False), (5, 0, False)],
    )
    def test_timeout_of_those_who_wait_for_dials_says_so(
        self, in_use: int, connecting: int, is_the_dials: bool
    ):
        """More connections would help nobody while those that may be there are not made yet."""
        stats = stats_of(in_use=in_use, connecting=connecting)
        message = str(refusals.exhausted(Refusal.TIMED_OUT, Look(stats, 0.0), 2))

        assert ("connections take long to make" in message) is is_the_dials
        assert ("raise MAX_CONNECTIONS" in message) is not is_the_dials

    def test_full_queue_says_how_many_wait(self):
        """A refusal without a wait does not speak of a timeout."""
        error = refusals.exhausted(Refusal.QUEUE_FULL, LOOK, 2)

        assert type(error) is PoolQueueFullError
        assert str(error) == (
            '9 callers are queued already (pool "default": in_use=16 idle=0 waiting=9 max=16); '
            "raise MAX_WAITING or MAX_CONNECTIONS, or hold leases shorter"
        )

    def test_shedding_says_the_target_and_the_way_out(self):
        """By the names of the settings."""
        error = refusals.exhausted(Refusal.SHED, LOOK, 2, target=0.1)

        assert type(error) is PoolQueueFullError
        assert str(error) == (
            "sent away early, as callers have to wait for longer than 0.1 s "
            '(pool "default": in_use=16 idle=0 waiting=9 max=16); '
            "raise MAX_CONNECTIONS or QUEUE_TARGET, or hold leases shorter"
        )

    NUMBERS = '(pool "default": in_use=16 idle=0 waiting=9 max=16)'
    ADVICE = "check that the server runs and that its address is right"

    @pytest.mark.parametrize(
        ("cause", "probe_in", "message"),
        [
            (
                redis.ConnectionError("Error 111 connecting to h:1. Connection refused."),
                0.0,
                f"Redis cannot be reached, the dial failed {NUMBERS}: Error 111 connecting to "
                f"h:1. Connection refused; {ADVICE}",
            ),
            (
                redis.ConnectionError("refused"),
                0.4,
                f"Redis cannot be reached, not dialled again yet {NUMBERS}: refused; {ADVICE}",
            ),
            (
                TimeoutError(),
                0.0,
                f"Redis cannot be reached, the dial failed {NUMBERS}: TimeoutError; {ADVICE}",
            ),
            (
                None,  # another caller reached the server a moment ago
                0.4,
                f"Redis cannot be reached, not dialled again yet {NUMBERS}; {ADVICE}",
            ),
        ],
        ids=["dial failed", "circuit open", "cause without a text", "no cause"],
    )
    def test_unreachable_server_says_why(
        self, cause: BaseException | None, probe_in: float, message: str
    ):
        """The dial's error stands in the message, and is the `__cause__`."""
        error = refusals.unavailable(LOOK, cause, probe_in=probe_in)

        assert type(error) is PoolUnavailableError
        assert str(error) == message
        assert error.__cause__ is cause

    def test_closed_pool_says_where_a_new_one_is(self):
        """Nothing opens a closed pool again."""
        error = refusals.closed(stats_of())

        assert type(error) is PoolClosedError
        assert str(error) == 'the pool "default" is closed; get_pool("default") makes a new one'


class TestRetryAfter:
    """When asking again makes sense: not before there is room, or somebody has looked."""

    @pytest.mark.parametrize(
        ("wait", "probe_in", "least", "most"),
        [
            (0.0, 0.0, 1, 2),
            (0.0, 0.3, 1, 2),
            (0.0, 4.2, 5, 10),
            (6.1, 4.2, 7, 14),  # the crowd needs longer than the server
            (0.0, 999, 15, 30),
        ],
    )
    def test_outage_follows_the_next_probe(
        self, wait: float, probe_in: float, least: int, most: int
    ):
        """Nobody is sent back before somebody looks at the server again."""
        random.seed(1)
        look = Look(stats_of(), wait)
        seen = {refusals.unavailable(look, None, probe_in=probe_in).retry_after for _ in range(500)}

        assert seen == set(range(least, most + 1))

    @pytest.mark.parametrize("refusal", [Refusal.TIMED_OUT, Refusal.QUEUE_FULL, Refusal.SHED])
    def test_exhaustion_follows_the_wait(self, refusal: Refusal):
        """Whoever is refused is told when there is room."""
        random.seed(1)
        look = Look(stats_of(), 3.2)
        seen = {refusals.exhausted(refusal, look, 2).retry_after for _ in range(500)}

        assert seen == set(range(4, 9))

    def test_closed_pool_is_asked_again_after_a_restart(self):
        """A process that is going down needs some seconds to be replaced."""
        random.seed(1)

        assert {refusals.closed(stats_of()).retry_after for _ in range(200)} == set(range(5, 11))
