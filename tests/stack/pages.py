"""The files of a page, written to a folder, and programs that run there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.pages import ROOT, blocks


def files_of(page: Path) -> dict[str, str]:
    """Return the page's blocks that begin with a file's name in a comment, by that name."""
    named = {}
    for block in blocks(page):
        first = block.partition("\n")[0].removeprefix("# ").partition(",")[0]
        if first.endswith(".py"):
            named[first] = block
    return named


class Folder:
    """A project's folder, with the environment that its programs run in."""

    def __init__(self, path: Path, **environ: str) -> None:
        self.path = path
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{path}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environ,
        }

    def write(self, files: dict[str, str], *names: str) -> None:
        for name in names or files:
            (self.path / name).write_text(files[name])

    def run(self, *command: str, strictly: bool = True) -> str:
        """Run Python to its end; return what it prints. What it says on stderr is a failure."""
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=self.path,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert not strictly or ended.stderr == "", ended.stderr
        return ended.stdout

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Have Python run something that is told to end, and does so, when the block is over."""
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.path,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # whatever it starts ends with it
        )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=20)
            assert process.returncode == 0, said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate(timeout=20)
