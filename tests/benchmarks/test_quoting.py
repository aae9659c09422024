"""Figures that README.md and docs/ quote from the last full run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.quoting import quotes, requoted

from ..support.pages import DOCS, README, ROOT

RESULTS = ROOT / "benchmarks" / "results"
TABLE = """\
## Cycle: take and give back

|  | wall, us | ratio (wall) |
| --- | ---: | ---: |
| ours | 0.500 [0.4 to 0.6] | 1.00 |
| theirs | 5.00 [4.9 to 5.1] | 10.0 [9 to 11] |

## Memory

| idle | KiB |
| --- | ---: |
| ours | 40.0 |
| theirs | 30.0 |

| in use | KiB |
| --- | ---: |
| ours | 50.0 |
| theirs | 60.0 [50 to 70] |
"""
QUOTE = """\
<!-- table.md: Cycle -->
|  | ratio (wall) |
| --- | ---: |
| theirs | {} |
"""


BY_GROUP = """\
<!-- table.md, by group: Memory -->
| what |  | KiB |
| --- | --- | ---: |
| idle | ours | {} |
|  | theirs | {} |
| in use | theirs | {} |
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of a small run."""
    (tmp_path / "table.md").write_text(TABLE)
    (tmp_path / "summary.md").write_text("| new |\n")
    return tmp_path


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_page_has_the_figures_of_the_results(page: Path):
    """Nobody has written one by hand, and a run of everything writes them all."""
    assert page.read_text() == requoted(page.read_text(), RESULTS)


def test_pages_quote_something():
    """Else the test above would not look at much."""
    assert sum(len(quotes(page.read_text())) for page in DOCS.glob("*.md")) > 10


def test_quote_is_written_anew_in_the_rows_and_columns_of_the_page(results: Path):
    """Only the medians, and nothing else of the page."""
    page = "before\n" + QUOTE.format("9.00") + "\nafter\n"

    assert requoted(page, results) == "before\n" + QUOTE.format("10.0") + "\nafter\n"


def test_quote_by_group_has_rows_of_several(results: Path):
    """The first column names the group, where it is not that of the row above."""
    page = "before\n" + BY_GROUP.format(*["9.00"] * 3) + "after\n"

    assert (
        requoted(page, results) == "before\n" + BY_GROUP.format("40.0", "30.0", "60.0") + "after\n"
    )
    assert quotes(page) == ["Memory"]


@pytest.mark.parametrize(
    ("old", "new"), [("| idle |", "| idling |"), ("| idle |", "|  |")], ids=["other", "none"]
)
def test_group_that_was_not_measured_cannot_be_quoted(results: Path, old: str, new: str):
    """Nor a row without one."""
    with pytest.raises(ValueError, match="0 figures for 'ours', 'KiB' in a table of "):
        requoted(BY_GROUP.replace(old, new), results)


@pytest.mark.parametrize("page", ["comparison", "overload", "why"])
def test_all_tables_of_figures_are_quotes(page: str):
    """Those that stand on the right; none was pasted."""
    tables = re.findall(
        r"^(.*)\n+(?:\|.*\n)\|[ :|-]*---: \|", (DOCS / f"{page}.md").read_text(), re.M
    )

    assert tables
    assert all(line.startswith("<!-- table.md") for line in tables), tables


def test_summary_is_taken_whole(results: Path):
    """It stands between its two comments."""
    page = "<!-- benchmarks/results/summary.md -->\n{}<!-- end -->\nafter\n"

    assert requoted(page.format("| old |\n"), results) == page.format("| new |\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table.md: Cycle", "table.md: Circle", "0 sections of table.md are called 'Circle'"),
        ("theirs", "nobody's", "0 figures for \"nobody's\", 'ratio (wall)'"),
        ("ratio (wall)", "ratio (cpu)", "0 figures for 'theirs', 'ratio (cpu)'"),
    ],
    ids=["section", "row", "column"],
)
def test_what_was_not_measured_cannot_be_quoted(results: Path, old: str, new: str, said: str):
    """The page has to be mended, as the figure would be made up."""
    with pytest.raises(ValueError, match=re.escape(said)):
        requoted(QUOTE.format("9.00").replace(old, new), results)
