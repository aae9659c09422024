"""docs/sentinel.md: its program runs, its settings are read, its words are those of the errors."""

from __future__ import annotations

import re

from redis_pool_ext.config import read_settings
from redis_pool_ext.connecting.sentinel import SentinelSSLConnection
from redis_pool_ext.settings.rules import OPTION_RULES

from ..support.pages import DOCS, block_with, run, said
from .constellation import Constellation

PAGE = DOCS / "sentinel.md"
SHOWN = "redis+sentinel://localhost:26379,localhost:26380,localhost:26381/mymaster/0"


def test_program_runs(constellation: Constellation):
    """The comment shows what it prints."""
    program = block_with(PAGE, "get_redis()").replace(SHOWN, constellation.url)
    assert SHOWN not in program
    assert run(program, "").splitlines() == said(program)


def test_settings_are_read():
    """What the page shows is complete and right."""
    names: dict[str, object] = {}
    exec(block_with(PAGE, "REDIS_POOLS = "), names)
    configs = read_settings(names["REDIS_POOLS"])

    assert {config.connection_class for config in configs.values()} == {SentinelSSLConnection}
    assert configs["reports"].options["role"] == "replica"


def test_settings_of_the_page_are_there():
    """One heading each."""
    told = set(re.findall(r"^### `(\w+)`", PAGE.read_text(), re.MULTILINE))
    assert told == {"role", "sentinel_kwargs"}
    assert told <= OPTION_RULES.keys()
