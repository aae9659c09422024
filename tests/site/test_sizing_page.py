"""docs/sizing.md: what it shows runs; its figures are held against the code elsewhere."""

from __future__ import annotations

import re

from redis_pool_ext import configure, get_redis, lease_scope

from ..support.pages import DOCS, block_with

PAGE = DOCS / "sizing.md"


def test_numbers_holders_and_advice_are_printed(url, capsys):
    """The comments show the form of each."""
    configure({"default": url})
    with lease_scope("a job"):
        get_redis().get("k")
        exec(block_with(PAGE, "pool.advice()"), {})

    numbers, holders, advice = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"in_use=1 idle=\d waiting=0 max=16", numbers)
    assert "a job" in holders
    assert advice.startswith("too little to tell")
