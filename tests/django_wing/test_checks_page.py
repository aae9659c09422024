"""docs/checks.md: every id that the code has, with its cause and its way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry

import redis_pool_ext
from redis_pool_ext.django import checks, deployment
from redis_pool_ext.django.checks import TAG
from tests.support.pages import DOCS, blocks

PAGE = DOCS / "checks.md"
TEXT = PAGE.read_text()
SOURCES = Path(redis_pool_ext.__file__).parent

ROW = re.compile(r"^\| \[`([EW]\d{3})`\]\(#([ew]\d{3})\) \| .+ \| (always|`--deploy`) \|$", re.M)
SECTION = re.compile(r"^### ([EW]\d{3})\n(.*?)(?=^##|\Z)", re.M | re.S)


def ids_in(*files: Path) -> set[str]:
    """Return the ids that are written in sources, alone or behind our name."""
    found = [re.findall(r'"(?:redis_pool_ext\.)?([EW]\d{3})"', file.read_text()) for file in files]
    return set().union(*found)


def test_table_has_every_id_of_the_code() -> None:
    """And no other, once each, in order."""
    listed = [row[0] for row in ROW.findall(TEXT)]
    assert listed == sorted(ids_in(*SOURCES.rglob("*.py")))


def test_every_id_has_its_section() -> None:
    """Which says where it comes from, and what to do."""
    sections = dict(SECTION.findall(TEXT))
    assert list(sections) == [row[0] for row in ROW.findall(TEXT)]
    for code, text in sections.items():
        assert "*Cause:*" in text, code
        assert "*Way out:*" in text, code


def test_links_lead_to_their_sections() -> None:
    """As GitHub makes anchors of headings."""
    assert [link for _, link, _ in ROW.findall(TEXT)] == [
        row[0].lower() for row in ROW.findall(TEXT)
    ]


def test_table_says_what_is_for_deployment() -> None:
    """Which is what the module for that has."""
    deploy = {code for code, _, when in ROW.findall(TEXT) if when != "always"}
    assert deploy == ids_in(Path(deployment.__file__))


@pytest.mark.parametrize("name", checks.__all__[1:])
def test_every_check_is_registered(name: str) -> None:
    """One that nobody runs finds nothing."""
    assert getattr(checks, name) in registry.registered_checks


def test_check_for_deployment_runs_there_only() -> None:
    """Not with each `runserver`."""
    assert deployment.check_deployment in registry.deployment_checks
    assert deployment.check_deployment not in registry.registered_checks


def test_settings_of_the_page_are_good(settings: Any) -> None:
    """There is nothing to report about them."""
    [block] = blocks(PAGE)
    names: dict[str, Any] = {}
    exec(block, names)
    settings.REDIS_POOLS = names["REDIS_POOLS"]
    settings.REDIS_POOL_THREADS = names["REDIS_POOL_THREADS"]
    assert run_checks(tags=[TAG], include_deployment_checks=True) == []
