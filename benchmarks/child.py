"""A process of our own that does as it is told: one line of JSON asks, one answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from select import select
from typing import Any, Self

__all__ = ["Child", "ChildError", "obey"]

_ROOT = Path(__file__).parent.parent
_PATIENCE = 120.0  # seconds for one answer, far beyond what any should need
_GOODBYE = 10.0  # seconds for it to end by itself


class ChildError(RuntimeError):
    """The process failed, ended or kept silent; the message shows what it wrote last."""


class Child:
    """The parent's end: started on entry; on exit it is told to end, and is waited for.

    `module` is run with Python's `-m`, and calls `obey`.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        # Not a pipe: nobody would empty it.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed on exit

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=_ROOT,
            # Strings hash alike in all of them, so that dicts have the same collisions.
            env=os.environ | {"PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        return self

    def __exit__(self, *_exc: object) -> None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # which is what it ends at
        try:
            process.wait(_GOODBYE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._log.close()

    @property
    def pid(self) -> int:
        """The process id; raises `ChildError` before it was started."""
        return self._running().pid

    def ask(self, order: str, **arguments: Any) -> Any:
        """Have something done; return the answer. Raises `ChildError`."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([order, arguments]).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure("has ended") from error
        # Nothing is left in the reader's buffer: one line is asked for, and one answered.
        if not select([process.stdout], [], [], _PATIENCE)[0]:
            raise self._failure(f"does not answer within {_PATIENCE:g} s")
        line = process.stdout.readline()
        if not line:
            raise self._failure("has ended")
        return json.loads(line)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ChildError("it was not started: use it in a `with` block")
        return self._process

    def _failure(self, what: str) -> ChildError:
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")[-2000:]
        return ChildError(f"{' '.join(self._command[2:])} {what}: {log}")


def obey(orders: Mapping[str, Callable[..., Any]]) -> None:
    """Do what the parent asks for, until it has enough: the child's end."""
    # What a library prints goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order, arguments = json.loads(line)
        print(json.dumps(orders[order](**arguments)), file=answers, flush=True)
