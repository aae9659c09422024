"""docs/debug-panels.md: what it shows runs; its toolbars' blocks in the tests of the wings."""

from __future__ import annotations

from redis_pool_ext.status.recording import _LONGEST, MOST

from ..support.pages import DOCS, block_with, blocks, run, said

PAGE = DOCS / "debug-panels.md"


def test_recording_without_a_toolbar_prints_what_the_page_says(url):
    """At a prompt, or in a test."""
    block = block_with(PAGE, "recording() as seen")
    assert run(block, url).splitlines() == [line for line in said(block) if line]


def test_bounds_are_those_that_the_page_names():
    """Of an argument, and of a recording."""
    assert f"cut to {_LONGEST} signs" in PAGE.read_text()
    assert f"the first {MOST} commands" in PAGE.read_text()


def test_no_block_is_left_out():
    """Two are of toolbars: tests/django_wing and tests/flask_wing have them run."""
    assert len(blocks(PAGE)) == 3
