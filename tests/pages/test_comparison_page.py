"""docs/comparison.md: what it says of others is so with what is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from ..support.pages import DOCS, blocks, load, run, said
from .test_why_page import printed

PAGE = DOCS / "comparison.md"
NAMES = {"psycopg_pool": "psycopg-pool", "redis-py": "redis"}  # as table.md has them


def block_with(text: str) -> str:
    (found,) = [block for block in blocks(PAGE) if text in block]
    return found


@pytest.mark.parametrize("text", ["visitor.get", "threading.Thread"])
def test_program_in_django_prints_what_it_says(url: str, text: str) -> None:
    """In a process of its own: Django is configured once."""
    pytest.importorskip("django_redis")
    block = block_with(text)
    assert run(block, url).splitlines() == printed(block)


def test_full_pool_of_flask_redis_is_a_500(
    url: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """And ours is a 503, in the same app."""
    pytest.importorskip("flask_redis")
    block = block_with("flask_redis")
    load(block, url)
    assert capsys.readouterr().out.split() == said(block)
    assert "MaxConnectionsError" in caplog.text


def test_clients_that_multiplex_are_as_the_page_says(url: str) -> None:
    """One connection for a hundred commands; a full pool is Python's own TimeoutError."""
    if not (find_spec("coredis") and find_spec("glide")):  # not imported: glide leaves threads
        pytest.skip("needs coredis and valkey-glide")
    block = block_with("import coredis")
    assert run(block, url).split() == [word.strip() for word in said(block)]


def test_pool_of_psycopg_does_not_tell_full_from_down() -> None:
    """Nobody listens there, and the error is that of a pool without a free connection."""
    psycopg_pool = pytest.importorskip("psycopg_pool")
    pool = psycopg_pool.ConnectionPool("host=127.0.0.1 port=1", open=False)
    assert pool.timeout == 30
    with pool, pytest.raises(psycopg_pool.PoolTimeout):
        pool.getconn(timeout=0.05)


def test_versions_are_those_of_the_benchmarks() -> None:
    """Behaviour and figures are of the same versions; a new run asks for a look at both."""
    (named,) = re.findall(r"Versions: (.*?)\. Where", PAGE.read_text().replace("\n", " "))
    machine = (DOCS.parent / "benchmarks" / "results" / "table.md").read_text()
    for each in named.split(", "):
        name, _, number = each.rpartition(" ")
        measured = re.search(rf"^- {NAMES.get(name, name)}: (\S+)$", machine, re.M | re.I)
        assert measured is None or measured[1] == number, each


def test_no_block_is_left_out() -> None:
    """All of them are run above."""
    assert len(blocks(PAGE)) == 4
