"""A newcomer: does what a page says, block after block, in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from ..support.pages import ROOT
from ..support.threads import wait_until

__all__ = ["Newcomer", "free_port", "is_shown"]

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?:# |<!-- )(at the end of |in place of (\w+) in )?(\S+?)(?: -->)?\n")
# What the environment of the tests has done already.
INSTALLING = ("python3 -m venv", ". venv/bin/activate", "pip install")
SERVING = ("python manage.py runserver", "flask run")
SLOW = "/slow/\n"
PATIENCE = 5.0  # seconds; a reloader looks once in a second


class Newcomer:
    """Types what stands in the `sh` blocks, and writes the files that the others are.

    `ports` are those of the page and those in their place here. What a server says is in
    `log`, what the others said is returned by `go_on()`.
    """

    def __init__(self, page: Path, folder: Path, ports: dict[str, int]) -> None:
        self.blocks = BLOCK.findall(page.read_text())
        self.folder, self.log = folder, folder / "log"
        self._ports = ports
        self._written = folder
        self._said_before = 0  # characters in the log as that was written
        self._started: list[subprocess.Popen[str]] = []
        self._servers: list[subprocess.Popen[str]] = []
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "REDIS_POOL_STATUS_DIR": str(folder / "desks"),
            "COLUMNS": "100",
            "PYTHONUNBUFFERED": "1",  # what is in the log is there at once
        }

    def go_on(self) -> Iterator[tuple[str, str]]:
        """Do each block; yield what it was, and what was said or is to be seen.

        `asks` comes before a command that needs the server, `waits` after one that hangs,
        `said` after any, `written` after a file, and `shown` in place of what is to be seen.
        """
        for language, block in self.blocks:
            text = self._here(block)
            if language == "text":
                yield "shown", block
            elif language != "sh":
                self._write(text)
                yield "written", ""
            elif text.startswith(SERVING):
                self._said_before = 0
                with open(self.log, "wb") as log:
                    self._servers.append(self._start(text, log))
            elif text.startswith("curl"):
                yield "asks", ""
                yield self._ask(text)
            else:
                yield "said", self._run(text)

    def ended(self) -> list[str]:
        """Wait for all that was asked for in other terminals; return what they said."""
        return [process.communicate(timeout=20)[0] for process in self._started]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """End what was started."""
        try:
            yield
        finally:
            for process in (*self._started, *self._servers):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _here(self, text: str) -> str:
        for shown, here in self._ports.items():
            text = re.sub(rf"\b{shown}\b", str(here), text)
        return text

    def _ask(self, block: str) -> tuple[str, str]:
        if not block.endswith(SLOW):
            return "said", self._run(block)
        self._started.append(self._start(f"exec {block}", subprocess.PIPE))
        return "waits", ""

    def _run(self, block: str) -> str:
        """Type a block in a shell, and stay in the folder that it ends in."""
        typed = [line for line in block.splitlines() if not line.startswith(INSTALLING)]
        script = "\n".join([*typed, f"pwd >{self.log}.folder"])
        ended = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, (block, ended.stdout)
        self.folder = Path(Path(f"{self.log}.folder").read_text().strip())
        return ended.stdout

    def _start(self, line: str, output: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdout=output,  # type: ignore[call-overload]
            stderr=subprocess.STDOUT if output is not subprocess.PIPE else subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _write(self, block: str) -> None:
        """Write a file, or the part of it that the block's first line names."""
        named = FILE.match(block)
        assert named, block
        how, setting, path = named.groups()
        file, content = self.folder / path, block[named.end() :]
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if how else ""
        if setting:
            before = re.sub(rf"^{setting} = .*\Z", "", before, flags=re.DOTALL | re.MULTILINE)
        file.write_text(before + content)
        self._written, self._said_before = file, len(self._said())

    def says(self, words: str) -> None:
        """Wait until the server has said so, with all that was written by now.

        A reloader that has only begun may miss a file; then one saves it once more.
        """
        saved = monotonic()

        def is_said() -> bool:
            nonlocal saved
            if monotonic() - saved > PATIENCE:
                self._written.touch()
                saved = monotonic()
            return words in self._said()[self._said_before :]

        wait_until(is_said, 40)

    def _said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def is_shown(shown: str, said: str) -> bool:
    """Tell whether the page's lines were said, in that order; numbers may be others.

    Lines that the page leaves out (headers of the framework, rules of a table) may be in between.
    """
    lines = iter(map(_without_numbers, said.splitlines()))
    return all(_without_numbers(line) in lines for line in shown.splitlines() if line.strip())


def _without_numbers(line: str) -> str:
    plain = re.sub(r"\x1b\[[\d;]*m", "", line)  # Flask's own lines have colours
    words = " ".join(plain.split())
    return re.sub(r"(visit \d+|503)|\d+(\.\d+)?( ms| s\b)?", lambda found: found[1] or "N", words)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
