"""A Python program in a process of its own, which says when it is ready and waits to be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]

# What follows a program's own lines: it says that it is ready, and goes on until it is told.
AND_WAITS = """
import sys
print("ready", flush=True)
sys.stdin.read()
"""


def run_to_its_end(code: str) -> str:
    """Return what a program says that must end well, and without a complaint."""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


class Program:
    """`python -c code arguments`; a context manager, ready on entry, ended on exit."""

    def __init__(
        self, code: str, *arguments: str, then: str = AND_WAITS, ready: str = "ready\n", **env: str
    ) -> None:
        self._command = [sys.executable, "-c", code + then, *arguments]
        self._ready = ready
        self._has_ended = False
        self._env = {**os.environ, **env}

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=self._env, cwd=ROOT,
        )  # fmt: skip
        try:
            said = self.line() + "\n"
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise
        if said != self._ready:
            self.process.kill()
            raise AssertionError(said + "".join(self.process.communicate()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.process.poll() is None and kind is not None:
            self.process.kill()
        self.end()

    def freeze(self) -> None:
        """Stop all of its threads; a signal is taken by one of them, when that next runs."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang for the block."""
        self.freeze()
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """Return what it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, text: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Let it end in order; return what it has said on stderr."""
        if self._has_ended:
            return ""
        self._has_ended = True
        try:
            _, complaints = self.process.communicate(timeout=20)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return complaints
