"""The poll's own rules, without a framework."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from example_django import local_redis, poll
from redis_pool_ext import RedisPool
from redis_pool_ext.embedded import NoRedisServerError

from .site import ROOT

SHARED = [
    *("poll.py", "pool_panel.py", "local_redis.py", "environment.py"),
    *("static/poll.css", "static/poll.js", "static/favicon.svg"),
]


@pytest.fixture
def client(url: str) -> redis.Redis:
    """A client on a pool, as the examples have it."""
    return RedisPool.from_url(url, decode_responses=True).client


def test_empty_board_keeps_the_order_of_the_ballot(client: redis.Redis) -> None:
    """Before the first vote all talks share the first place, without a bar."""
    board = poll.board(client)
    assert [talk["slug"] for talk in board["talks"]] == list(poll.TITLES)
    assert {(talk["rank"], talk["width"]) for talk in board["talks"]} == {(1, 0)}
    assert (board["total"], board["latest"]) == (0, [])


def test_equal_votes_share_a_rank(client: redis.Redis) -> None:
    """Two first places are followed by a third."""
    poll.vote(client, "plain-words")
    poll.vote(client, "good-queue")
    assert [talk["rank"] for talk in poll.board(client)["talks"]] == [1, 1, 3, 3, 3]


def test_latest_votes_are_few_and_newest_first(client: redis.Redis) -> None:
    """The list does not grow, and who gives no name is someone."""
    for name in ("Row 1", "Row 2", "Row 3", ""):
        poll.vote(client, "good-queue", name)
    names = [entry["name"] for entry in poll.board(client)["latest"]]
    assert names == ["Someone", "Row 3", "Row 2"]
    assert client.llen(poll.LATEST) == poll.SHOWN


def test_limit_ends_by_itself(client: redis.Redis) -> None:
    """The counter of tries has an end from its first moment on."""
    assert [poll.seconds_to_wait(client, "me") for _ in range(poll.LIMIT)] == [0] * poll.LIMIT
    assert 1 <= poll.seconds_to_wait(client, "me") <= poll.WINDOW
    assert 0 < client.ttl(poll.TRIES % "me") <= poll.WINDOW
    assert poll.seconds_to_wait(client, "somebody else") == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 3), ("5", 5), ("0", 1), ("-4", 1), ("999", 10), ("soon", 3)]
)
def test_report_length_is_bounded(text: str | None, seconds: int) -> None:
    """Nobody holds a connection for longer than ten seconds."""
    assert poll.report_seconds(text) == seconds


def test_name_is_one_short_line() -> None:
    """Whatever was typed fits the page."""
    assert poll.clean_name("  Row\n\t7 ") == "Row 7"
    assert len(poll.clean_name("x" * 100)) == 24


@pytest.mark.parametrize("name", SHARED)
def test_shared_file_is_the_same_in_both(name: str) -> None:
    """Each example can be copied alone, and they do not drift apart."""
    django, flask = (ROOT / package / name for package in ("example_django", "example_flask"))
    assert django.read_bytes() == flask.read_bytes()


def test_shared_files_are_all_listed() -> None:
    """A file beside the listed ones is not forgotten by the test above."""
    for package in ("example_django", "example_flask"):
        static = {f"static/{path.name}" for path in Path(ROOT, package, "static").iterdir()}
        assert static == {name for name in SHARED if name.startswith("static/")}


def test_redis_url_wins_over_a_server_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is an address, nothing starts."""
    monkeypatch.setenv("REDIS_URL", "redis://redis.example:1/0")
    assert local_redis.redis_url() == "redis://redis.example:1/0"


def test_without_any_redis_server_there_is_fakeredis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The examples run even where no redis-server can be found; children hear of it."""
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setattr(local_redis, "EmbeddedRedis", _no_server)
    address = local_redis.redis_url()
    assert os.environ["REDIS_URL"] == address
    with RedisPool.from_url(address, decode_responses=True) as pool, pool.lease() as client:
        poll.vote(client, "good-queue")
        assert poll.board(client)["total"] == 1


def _no_server() -> None:
    raise NoRedisServerError("no redis-server was found")
