"""docs/why.md: its code runs here, and its figures are those that were measured."""

from __future__ import annotations

import pytest

from ..support.pages import DOCS, blocks, headed_blocks, load, said

PAGE = DOCS / "why.md"
README_COMMAND = "pip install -e '.[demo]' && python -m redis_pool_ext demo\n"


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=heading) for heading, block in headed_blocks(PAGE)]
)
def test_block_prints_what_its_comments_say(url, capsys, block: str) -> None:
    """Each is complete; some of them are refused, which is what they are about."""
    if "flask" in block:
        pytest.importorskip("flask")
    load(block, url)

    assert capsys.readouterr().out.splitlines() == printed(block)


def printed(block: str) -> list[str]:
    """Return what the block says that it prints: at its end, or else behind each call."""
    at_the_end = [line[2:] for line in block.splitlines() if line.startswith("# ")]
    return at_the_end or [line.strip() for line in said(block)]


def test_other_blocks_are_known() -> None:
    """The demo's command line is the README's; its run is in tests/demo."""
    assert blocks(PAGE, "sh") == [README_COMMAND]
    assert README_COMMAND in (DOCS.parent / "README.md").read_text()
    assert len(blocks(PAGE, "text")) == 1
