"""Table and plots, from a result whose figures are known."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as program
from benchmarks import plots
from benchmarks.harness import Curve, Effort, Result, Target, row, with_ratios
from benchmarks.report import figure, markdown

UNIT = {"wall": "us", "kept": "", "ratio": "x"}


@pytest.fixture
def result() -> Result:
    rows = [
        row("redis_pool_ext", {"wall": [1e-6, 2e-6, 3e-6], "kept": [5.0]}, UNIT, note="ours"),
        row("peer", {"wall": [4e-6, 4e-6, 6e-6]}, UNIT, note="as its page says"),
    ]
    return Result(
        "cycle",
        "Cycle: there and back",
        UNIT,
        with_ratios(rows, "wall"),
        targets=[Target.at_least("fast", 2.0, 8.0), Target.at_most("fair", 0.5, 1.0)],
        curves=[
            Curve(
                "Growth",
                "n",
                "us",
                {"redis_pool_ext": [(1, 2), (10, 3)], "peer": [(1, 5)]},
                True,
                True,
            )
        ],
        remarks=["a remark"],
        ratio_of="wall",
    )


@pytest.fixture
def table(result: Result) -> list[str]:
    return markdown([result], {"processor": "fast"}, "python -m benchmarks").splitlines()


def test_table_has_medians_quartiles_and_ratios(table):
    """A row each, ours first; a column that a row lacks is empty."""
    assert "|  | wall, us | kept | ratio (wall) |" in table
    ours, peer = (
        table.index("| redis_pool_ext | 2.00 [1.50 to 2.50] | 5.00 | 1.00 |"),
        table.index("| peer | 4.00 [4.00 to 5.00] |  | 2.00 [2.00 to 3.00] |"),
    )
    assert ours + 1 == peer


def test_column_that_a_group_has_not_is_no_column_of_its_table(result):
    """Groups of one benchmark may have done different work."""
    result.rows.append(row("redis_pool_ext", {"kept": [7.0]}, UNIT, group="others"))

    table = markdown([result], {}, "python -m benchmarks").splitlines()

    assert "|  | wall, us | kept | ratio (wall) |" in table
    assert "| others | kept |" in table


def test_table_tells_which_aims_were_met(table):
    """With the figure that was measured, either way."""
    assert "| fast | 8.00 | 2.00 | **not met** |" in table
    assert "| fair | 1.00 | 0.500 | met |" in table


def test_page_names_command_machine_notes_and_remarks(table):
    """What somebody needs who wants to repeat it."""
    assert "`python -m benchmarks`" in "".join(table)
    assert {"- processor: fast", "- peer: as its page says", "- a remark"} <= set(table)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_three_digits(value, text):
    """More would pretend."""
    assert figure(value) == text


class TestPlots:
    """The SVG files."""

    def test_overview_and_curves_are_drawn(self, result, tmp_path):
        """Each a file of its own, small enough for a page, and well formed."""
        files = plots.draw([result], tmp_path)

        assert [path.name for path in files] == ["overview.svg", "cycle.svg"]
        for path in files:
            assert ElementTree.fromstring(path.read_text()).tag.endswith("svg")
            assert path.stat().st_size < 60_000

    def test_same_result_is_the_same_file(self, result, tmp_path):
        """No date and no random name: a change in the repository is a change in the figures."""
        first = [path.read_bytes() for path in plots.draw([result], tmp_path)]

        assert not any(b"metadata" in text for text in first)
        assert [path.read_bytes() for path in plots.draw([result], tmp_path)] == first

    def test_nothing_is_black_or_white(self, result, tmp_path):
        """It would be lost on a dark page, or on a light one."""
        for path in plots.draw([result], tmp_path):
            text = path.read_text()
            assert not any(lost in text for lost in ("#000000", "#ffffff", ": black", ": white"))

    @pytest.mark.parametrize("colour", [plots.TEXT, plots.OURS, plots.FASTER, *plots.PEERS])
    def test_colours_stand_out_from_light_and_dark_pages(self, colour):
        """At least 3 to 1 (4 to 1 for text), as WCAG counts it, on both of GitHub's pages."""
        least = 4.0 if colour == plots.TEXT else 3.0
        assert contrast(colour, "#ffffff") >= least
        assert contrast(colour, "#0d1117") >= least


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


class Canned:
    """A benchmark that has its result already."""

    TITLE = "Canned"

    def __init__(self, result: Result) -> None:
        self.result = result

    def measure(self, effort: Effort) -> Result:
        return self.result


class Broken(Canned):
    """One that fails."""

    def measure(self, effort: Effort) -> Result:
        raise RuntimeError("out of order")


class TestCommand:
    """`python -m benchmarks`."""

    def test_run_writes_figures_table_and_plots(self, result, tmp_path, monkeypatch):
        """All of them in one folder, and the figures complete enough to draw them anew."""
        monkeypatch.setattr(program, "_module", lambda name: Canned(result))
        assert program.main(["cycle", "--quick", "--output", str(tmp_path)]) == 0
        table = (tmp_path / "table.md").read_text()
        (tmp_path / "table.md").unlink()

        assert program.main(["--redraw", "--output", str(tmp_path)]) == 0

        assert (tmp_path / "table.md").read_text() == table
        assert (tmp_path / "overview.svg").exists()
        written = json.loads((tmp_path / "results.json").read_text())
        assert written["command"] == "python -m benchmarks --quick cycle"
        assert {"Python", "redis", "redis-server", "cores"} <= set(written["machine"])

    def test_one_that_fails_does_not_cost_the_others(self, result, tmp_path, monkeypatch, capfd):
        """Their figures are written; the exit status and the file tell which one failed."""
        modules = {"cycle": Broken(result), "command": Canned(result)}
        monkeypatch.setattr(program, "_module", modules.__getitem__)

        assert program.main(["cycle", "command", "--output", str(tmp_path)]) == 1

        written = json.loads((tmp_path / "results.json").read_text())
        assert written["failed"] == ["cycle"]
        assert len(written["results"]) == 1
        assert "out of order" in capfd.readouterr().err

    def test_list_names_every_benchmark_and_runs_none(self, capsys):
        """A line each."""
        assert program.main(["--list"]) == 0

        listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert {"cycle", "command", "article", "contention", "growth", "memory"} <= set(listed)
