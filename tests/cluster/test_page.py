"""docs/cluster.md: its programs run, and its figures are those of the code."""

from __future__ import annotations

import pytest

from ..support.pages import DOCS, blocks, run, said

PAGE = DOCS / "cluster.md"
SHOWN = "redis+cluster://localhost:7000,localhost:7001"


@pytest.mark.parametrize("number", range(2))
def test_program_prints_what_its_comments_say(cluster, number: int):
    """It is complete, and says nothing on stderr."""
    block = blocks(PAGE)[number]
    assert SHOWN in block
    assert run(block.replace(SHOWN, cluster.url), "").splitlines() == said(block)


def test_every_program_of_the_page_is_run():
    """The two above are all."""
    assert len(blocks(PAGE)) == 2
