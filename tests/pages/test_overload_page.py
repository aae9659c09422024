"""docs/overload.md: its code runs and prints what it says, and its settings are the pool's."""

from __future__ import annotations

import inspect

import pytest

from redis_pool_ext import RedisPool

from ..support.pages import DOCS, block_with, blocks, run, said

PAGE = DOCS / "overload.md"


def test_pool_that_sheds_counts_what_the_page_says(url):
    """Nobody, as long as nobody has to wait."""
    block = block_with(PAGE, "pool.stats().shed")

    assert run(block, url).splitlines() == said(block)


def test_what_is_reserved_is_for_who_comes_with_a_higher_priority(url):
    """Reports find the pool full before pages and logins do."""
    block = block_with(PAGE, "reserved=")
    quiet = "import logging; logging.disable(logging.CRITICAL)\n"  # the pool says that it is full

    assert run(quiet + block, url).splitlines() == said(block)


def test_values_shown_are_the_defaults():
    """Who copies the block gets no other pool than who names the discipline alone."""
    block = block_with(PAGE, "pool.stats().shed")
    parameters = inspect.signature(RedisPool.__init__).parameters

    for name in ("max_connections", "timeout", "queue_target", "queue_interval"):
        assert f"{name}={parameters[name].default}," in block


def test_simulation_says_what_the_page_says(url):
    """The same seed, the same figures, on every machine."""
    block = block_with(PAGE, "simulate(")

    assert run(block, url).splitlines() == said(block)


@pytest.mark.parametrize("name", ["overload", "disciplines", "fleet"])
def test_curves_are_there(name):
    """A link to a picture shows it."""
    assert f"../benchmarks/results/{name}.svg" in PAGE.read_text()
    assert (DOCS.parent / "benchmarks" / "results" / f"{name}.svg").is_file()


def test_no_block_is_left_out():
    """All of them are run above."""
    assert len(blocks(PAGE)) == 3
