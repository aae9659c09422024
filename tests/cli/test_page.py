"""docs/commands.md: what it says of options, keys and findings is so."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext.cli import COMMANDS
from redis_pool_ext.cli.doctor import of_pools, of_servers
from redis_pool_ext.settings.rules import POOL_RULES

from ..support.pages import DOCS, blocks, run, said
from ..support.program import Program
from .command import IS_FULL, call

PAGE = DOCS / "commands.md"
TEXT = PAGE.read_text()


def section(name: str) -> str:
    """Return what stands under a heading."""
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def first_column(heading: str) -> set[str]:
    """Return the names in the first column of the table with this head."""
    rows = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def named_in(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.fixture
def full(place, url):
    with Program(IS_FULL, url):
        yield {"default": url}


def test_program_runs(place, url):
    """A plain one, which opens its desk."""
    (block,) = blocks(PAGE)

    meets_nobody = f"import os; os.environ['REDIS_POOL_STATUS_DIR'] = {str(place)!r}\n"

    assert run(meets_nobody + block, url).splitlines() == said(block)


def test_every_sub_command_has_its_section():
    """And stands in the first table."""
    assert first_column("sub-command") == set(COMMANDS)
    assert all(section(name) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_are_named_are_there(name: str):
    """In the section of each."""
    known = {argument.name for argument in COMMANDS[name].arguments}

    assert set(re.findall(r"(--[a-z]+)", section(name))) <= known


def test_keys_of_stats_are_those(full):
    """All of them."""
    data = call("stats", full, json=True).data
    (pool,) = data["pools"]
    told = TEXT.partition("| `holders` |")[2].partition("\n")[0]

    assert first_column("key of `stats --json`") == set(data)
    assert first_column("key of each of `pools`") == set(pool)
    assert set(pool["holders"][0]) == named_in(told.partition(";")[0])
    assert set(pool["last_minute"]) == named_in(
        TEXT.partition("| `last_minute` |")[2].partition("\n")[0]
    )


def test_keys_of_watch_are_those(full):
    """All of them, and those of its rows."""
    data = call("watch", full, json=True, count=1).data
    named = named_in(section("watch"))

    assert set(data) <= named
    assert set(data["processes"][0]) <= named
    assert set(data["pools"][0]["rows"]) | {"rows"} <= named


@pytest.mark.parametrize(
    ("name", "entries"), [("config", "pools"), ("ping", "pools"), ("doctor", "findings")]
)
def test_keys_of_the_others_are_those(url, place, name: str, entries: str):
    """Of the answer, and of each entry."""
    data = call(name, {"default": url}, json=True).data

    named = named_in(section(name).rpartition(f"`{name} --json`")[2].replace(f"`{name}", "`"))
    named |= named_in(section(name).partition("--json`")[2])
    assert set(data[entries][0]) <= named
    assert set(data) - {"command", "format"} <= named


def test_findings_are_those_that_there_are(full):
    """By their stable names."""
    told = {each["check"] for each in call("doctor", full, json=True).data["findings"]}

    assert told | {"reachable"} == first_column("finding")
    assert of_servers._CHECKS.keys() <= told
    assert of_pools.findings_in is not None


def test_samples_have_the_heads_of_the_real_tables(full, monkeypatch):
    """Each column, setting and finding of the page stands in the output, too."""
    monkeypatch.setenv("COLUMNS", "120")
    head = section("stats").splitlines()[3].split()
    assert head == call("stats", full).out.splitlines()[1].split()

    settings = {line.split()[0] for line in section("config").splitlines() if line[:2] == "  "}
    shown = {line.split()[0] for line in call("config", full).out.splitlines() if line[:3] == "  m"}
    assert POOL_RULES.keys() <= settings
    assert shown <= settings

    sample = set(re.findall(r"^(?:ok|error|warning) +(\w+):", section("doctor"), re.MULTILINE))
    assert sample == first_column("finding") - {"reachable"}
