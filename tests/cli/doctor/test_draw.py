"""What `doctor` prints of its findings."""

from __future__ import annotations

import io

import pytest

from redis_pool_ext.cli.doctor.findings import LEVELS

console = pytest.importorskip("rich.console")


def last_line(**counts: int) -> str:
    from redis_pool_ext.cli.doctor.draw import draw

    file = io.StringIO()
    data = {"findings": [], "counts": {level: counts.get(level, 0) for level in LEVELS}}
    draw(data, console.Console(file=file))
    return file.getvalue().strip()


def test_sum_says_one_of_a_kind_or_several():
    """The worst first, in words that one would say."""
    assert last_line(ok=12, note=2, error=1) == "1 error, 2 notes, 12 ok"
    assert last_line(ok=1, note=1, warning=3) == "3 warnings, 1 note, 1 ok"
