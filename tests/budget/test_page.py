"""docs/budget.md: its programs print what they say, and its claims hold."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext.books.verdict import ENOUGH_FOR_A_DIAL
from redis_pool_ext.pooling.outcomes import DIAL_AT_LEAST
from redis_pool_ext.wire.spending import SLACK

from ..support.pages import DOCS, blocks, run, said

PAGE = DOCS / "budget.md"


@pytest.mark.parametrize("number", range(len(blocks(PAGE))))
def test_program_prints_what_its_comments_say(url, number):
    """It is complete, and says nothing on stderr."""
    block = blocks(PAGE)[number]
    code = block.replace("redis://localhost:6379/1", url.replace("/0", "/1"))

    assert run(code, url).splitlines() == said(block)


def test_numbers_are_those_of_the_code():
    """The slack of a reply, what a dial has in any case, what opens no circuit."""
    text = PAGE.read_text()
    assert re.findall(r"up to (\d+) ms more for a reply", text) == [f"{1000 * SLACK:.0f}"]
    assert re.findall(r"a dial has (\d+) ms in any case", text) == [f"{1000 * DIAL_AT_LEAST:.0f}"]
    assert re.findall(r"cut to less than ([\d.]+) s", text) == [f"{0.9 * ENOUGH_FOR_A_DIAL:g}"]
