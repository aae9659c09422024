"""The Django example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .contract import PollContract
from .site import ROOT, clean_environment


class TestDjangoExample(PollContract):
    """`python -m example_django`."""

    package = "example_django"

    def test_manage_py_runs_from_any_folder(self, tmp_path: Path) -> None:
        """`python .../example_django/manage.py check` finds the package, and no fault."""
        ended = subprocess.run(
            [sys.executable, "-W", "error", str(ROOT / "example_django" / "manage.py"), "check"],
            cwd=tmp_path,
            env=clean_environment(tmp_path) | {"REDIS_URL": "redis://localhost:1/0"},
            timeout=20,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert "no issues" in ended.stdout
