"""Whom to ask next, what an answer means, what is said in the end: plain code."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis.sentinel import MasterNotFoundError

from redis_pool_ext import deadline as deadlines
from redis_pool_ext.connecting import sentinels
from redis_pool_ext.connecting.search import MAKESHIFT_FOR, Search, Vote
from redis_pool_ext.connecting.sentinels import Address, Panel, Service, role_in
from redis_pool_ext.deadline import Deadline

A, B, C = (("a", 1), ("b", 2), ("c", 3))
OLD, NEW = ("old", 7000), ("new", 7001)
LATE = redis.TimeoutError("late")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the deadlines, to be set."""
    moment = [100.0]
    monkeypatch.setattr(deadlines, "monotonic", lambda: moment[0])
    monkeypatch.setattr(sentinels, "monotonic", lambda: moment[0])
    return moment


def service(role: str = "master", **sentinel_kwargs: Any) -> Service:
    return Service([A, B, C], "mymaster", role, sentinel_kwargs)


def answer(server: Address) -> list[Any]:
    return [[server[0].encode(), str(server[1]).encode()]]


def replica(port: int, flags: str = "slave", link: str = "ok") -> list[bytes]:
    facts = {"ip": "r", "port": str(port), "flags": flags, "master-link-status": link}
    return [part.encode() for fact in facts.items() for part in fact]


class TestPanel:
    """The order in which Sentinels are asked."""

    def test_first_is_the_one_that_was_right_last(self):
        """The URL's order is that of the first time."""
        panel = Panel((A, B, C))
        assert panel.in_order() == [A, B, C]
        panel.was_right(C)
        assert panel.in_order() == [C, A, B]

    def test_one_that_was_wrong_is_asked_after_the_others(self):
        """It is behind the times, or the others are; and it does answer."""
        panel = Panel((A, B, C))
        panel.was_silent(B)
        panel.was_wrong(A)
        assert panel.in_order() == [C, A, B]

    def test_silent_ones_are_last_until_they_answer(self):
        """Of several, the one that was asked longest ago comes first."""
        panel = Panel((A, B, C))
        panel.was_silent(B)
        panel.was_silent(A)
        assert panel.in_order() == [C, B, A]
        panel.was_right(A)
        assert panel.in_order() == [A, C, B]


class TestShares:
    """One deadline for all Sentinels and servers."""

    def test_each_sentinel_has_an_equal_share_with_the_dial(self, now: list[float]):
        """What one does not use is the others'."""
        search = Search(service(), Deadline(4.0))
        shares = []
        for waited in (1.0, 1.0, 0.0):
            turn = search.next_sentinel()
            assert turn is not None
            shares.append((turn[0], turn[1].remaining()))
            now[0] += waited
        assert shares == [(A, 1.0), (B, 1.0), (C, 1.0)]
        ((server, share),) = search.servers(C, answer(OLD))
        assert (server, share.remaining()) == (OLD, 2.0)
        assert search.next_sentinel() is None

    def test_silent_one_is_not_waited_for_once_another_has_answered(self, now: list[float]):
        """Each look for a new master would be longer by its share; after a while it is."""
        for silent_for, asked in ((4.9, [A, C]), (5.1, [A, C, B])):
            mine = service()
            mine.panel.was_silent(B)
            now[0] += silent_for
            search = Search(mine, Deadline(1.0))
            order = []
            while (turn := search.next_sentinel()) is not None:
                order.append(turn[0])
                list(search.servers(turn[0], answer(OLD)))
            assert order == asked
            sentinels._panel_of.cache_clear()

    def test_silent_one_is_asked_when_nobody_knows_the_name(self, now: list[float]):
        """It may be the only one that does."""
        mine = service()
        mine.panel.was_silent(A)
        search = Search(mine, Deadline(1.0))
        order = []
        while (turn := search.next_sentinel()) is not None:
            order.append(turn[0])
            list(search.servers(turn[0], [None]))
        assert order == [B, C, A]

    def test_replicas_share_what_is_left(self, now: list[float]):
        """The master, their makeshift, has its share as well."""
        search = Search(service("replica"), Deadline(3.0))
        answers = [*answer(OLD), [replica(1), replica(2)]]
        shares = []
        for _, share in search.servers(A, answers):
            shares.append(share.remaining())
            now[0] += share.remaining()
        assert shares == [1.0, 1.0, 1.0]

    def test_nobody_is_asked_after_the_deadline(self, now: list[float]):
        """And the error says what there was no time for."""
        search = Search(service(), Deadline(1.0))
        now[0] += 1.0
        assert search.next_sentinel() is None
        assert "there was no time to ask one" in str(search.failure())


class TestAnswers:
    """What Sentinels say, and who is taken."""

    def test_server_is_dialled_once_whoever_names_it(self):
        """A second Sentinel that agrees is no reason to try again."""
        search = Search(service(), Deadline(1.0))
        assert [server for server, _ in search.servers(A, answer(OLD))] == [OLD]
        assert [server for server, _ in search.servers(B, answer(OLD))] == []
        assert [server for server, _ in search.servers(C, answer(NEW))] == [NEW]

    @pytest.mark.parametrize(
        ("flags", "link"),
        [("slave,s_down", "ok"), ("s_down,slave,disconnected", "ok"), ("slave,o_down", "ok"),
         ("slave", "err")],
    )  # fmt: skip
    def test_unfit_replica_is_not_taken(self, flags: str, link: str):
        """Down, cut off from the Sentinel or from its master."""
        answers = [*answer(OLD), [replica(1, flags, link), replica(2)]]
        assert service("replica").servers_in(answers) == [("r", 2), OLD]

    def test_reader_has_the_master_as_a_makeshift(self):
        """Its connection is to be renewed soon; one to a replica is not."""
        search = Search(service("replica"), Deadline(1.0))
        for server, _ in search.servers(A, [*answer(OLD), [replica(1)]]):
            expected = MAKESHIFT_FOR if server == OLD else None
            assert search.found(A, server) == (None, expected)

    @pytest.mark.parametrize(
        ("reply", "role"),
        [
            ({b"server": b"redis", b"role": b"master"}, "master"),
            ({"role": "replica"}, "replica"),
            ([b"server", b"redis", b"role", b"replica"], "replica"),
            (None, None),
            (b"OK", None),
            ([], None),
        ],
    )
    def test_role_is_read_from_either_protocol(self, reply: Any, role: str | None):
        """RESP3 answers with a mapping, RESP2 with a list; an odd answer tells nothing."""
        assert role_in(reply) == role

    @pytest.mark.parametrize("role", ["master", None])
    def test_master_or_unknown_role_is_accepted(self, role: str | None):
        """Where a role cannot be asked, the Sentinel is believed."""
        service().require(role, OLD)

    def test_readers_accept_any_role(self):
        """Data can be read from a replica and from a master."""
        service("replica").require("replica", OLD)


class TestFailure:
    """What is told when nothing was found."""

    def test_refusal_names_the_sentinel_and_the_setting(self):
        """The credentials that a server has quoted are not in it."""
        search = Search(service(password="hunter2"), Deadline(1.0))
        search.no_answer(B, redis.AuthenticationError("wrong hunter2"))
        search.no_answer(C, LATE)
        assert type(search.failure()) is redis.AuthenticationError
        assert str(search.failure()) == (
            "Sentinel b:2 refuses: wrong ***; a Sentinel's own user and password go into "
            "OPTIONS['sentinel_kwargs']"
        )

    def test_unknown_name_is_told_before_who_was_silent(self):
        """With those that did not answer, as they might have known it."""
        search = Search(service(), Deadline(1.0))
        search.no_answer(A, LATE)
        assert list(search.servers(B, [None])) == []
        assert type(search.failure()) is MasterNotFoundError
        assert str(search.failure()) == (
            "Sentinel b:2 knows no service 'mymaster' (no answer from a:1 (late)); check the "
            "name in the URL"
        )

    @pytest.mark.parametrize(
        ("error", "kind"),
        [(LATE, redis.TimeoutError), (redis.ConnectionError("gone."), redis.ConnectionError)],
    )
    def test_silence_is_a_timeout_if_one_was_late(self, error: Exception, kind: type[Exception]):
        """A dial that had too little time says nothing about the Sentinels."""
        search = Search(service(), Deadline(1.0))
        search.no_answer(A, error)
        search.no_answer(("::1", 2), redis.ConnectionError())
        assert type(search.failure()) is kind
        assert str(search.failure()).endswith("), [::1]:2 (ConnectionError)")

    def test_failed_dial_is_told_before_anything_else(self):
        """There was a server; redis-py's error says what was the matter with it."""
        search = Search(service(), Deadline(1.0))
        search.no_answer(A, LATE)
        error = redis.ConnectionError("refused.")
        assert search.goes_on_after(error, OLD)
        assert search.failure() is error
        assert str(error) == "refused (old:7000, of 'mymaster' by its Sentinels)"

    def test_refused_password_ends_the_search(self):
        """No other Sentinel knows a server with another password."""
        search = Search(service(), Deadline(1.0))
        assert not search.goes_on_after(redis.AuthenticationError("wrong"), OLD)

    def test_no_other_server_is_dialled_with_no_time_left(self, now: list[float]):
        """The one that took the time is told, and not that there was none for another."""
        search = Search(service(), Deadline(1.0))
        now[0] += 0.97
        assert not search.goes_on_after(LATE, OLD)


class TestVote:
    """A look whether the master has moved: no single Sentinel decides that."""

    @pytest.mark.parametrize(
        ("named", "asked", "result"),
        [
            ([OLD, NEW, NEW], 1, OLD),
            ([NEW, NEW, OLD], 3, NEW),
            ([NEW, OLD, OLD], 3, OLD),
            ([NEW, None, None], 3, NEW),
            ([NEW, OLD, None], 3, OLD),
            ([NEW, OLD, ("third", 1)], 3, OLD),
        ],
    )
    def test_most_must_agree_on_another_one(
        self, named: list[Address | None], asked: int, result: Address
    ):
        """The first who says that all is as before ends it; a tie changes nothing."""
        vote = Vote(service(), OLD, Deadline(1.0))
        count = 0
        for server in named:
            if not vote.is_open:
                break
            count += 1
            vote.count(A, [None] if server is None else answer(server))
        assert (count, vote.result()) == (asked, result)

    def test_no_answer_at_all_is_an_error(self):
        """Nobody is moved by it."""
        vote = Vote(service(), OLD, Deadline(1.0))
        vote.no_answer(A, LATE)
        with pytest.raises(redis.TimeoutError):
            vote.result()
