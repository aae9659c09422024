"""Asking the processes beside this one, each at its desk."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from ..sizing.advice import TARGET
from .folder import find_folder
from .patience import left_until
from .report import FORMAT, process_report

__all__ = ["ask_processes"]

_PAUSE = 0.02  # seconds, before knocking again where a queue is full
_LONGEST = 64 << 20  # bytes of an answer; that of a process with ten pools has two million
_AT_ONCE = 256  # threads that ask: fewer than desks, and one hanging process hides others


def ask_processes(
    *, samples: int = 0, target: float = TARGET, timeout: float = 1.0, this_one: bool = True
) -> list[dict[str, Any]]:
    """Return the report of each process of this user that has pools, by process id.

    All are asked at the same time, and have `timeout` seconds together. One that does not
    answer in time is told as `{"process": {"pid": ...}, "error": ..., "pools": []}`; one that is
    gone is not told, and its socket is removed. `this_one` comes without being asked. A folder
    that others could have put there is not read; that is told as such an entry, with pid 0.
    """
    question = json.dumps({"samples": samples, "target": target}).encode() + b"\n"
    reports = [process_report(samples=samples, target=target)] if this_one else []
    try:
        others = [path for path in _desks() if path.stem != str(os.getpid())]
    except OSError as error:
        others, reports = [], [*reports, _error(0, str(error))]
    if others:
        deadline = monotonic() + timeout
        with ThreadPoolExecutor(min(len(others), _AT_ONCE)) as crowd:
            answers = crowd.map(lambda path: _ask(path, question, deadline), others)
            reports += [answer for answer in answers if answer is not None]
    return sorted(reports, key=lambda report: report["process"]["pid"])


def _desks() -> list[Path]:
    place = find_folder()
    if place is None:
        return []
    # By number only: in a folder of the user's own choice there may be others' sockets.
    return sorted(path for path in place.glob("*.sock") if path.stem.isdecimal())


def _ask(path: Path, question: bytes, deadline: float) -> dict[str, Any] | None:
    try:
        answer = json.loads(_exchange(path, question, deadline))
    except (ConnectionRefusedError, FileNotFoundError):
        _clear(path)
        return None
    except TimeoutError:
        return _silent(path, "does not answer in time: it hangs, or is very busy")
    except (OSError, ValueError) as error:
        return _silent(path, f"does not answer: {error or type(error).__name__}")
    if not isinstance(answer, dict) or answer.get("format") != FORMAT:
        return _silent(path, "has a redis_pool_ext of another version, which answers otherwise")
    return answer


def _clear(path: Path) -> None:
    """Remove what a process has left that had no time to clear its desk.

    Not while there is one of that number: it may be opening its desk just now, and be bound
    already without listening yet.
    """
    try:
        os.kill(int(path.stem), 0)
    except ProcessLookupError:
        with suppress(OSError):
            path.unlink()
    except (OSError, OverflowError):  # somebody else's, or no number that one can have
        pass


def _exchange(path: Path, question: bytes, deadline: float) -> bytes:
    answer = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
        _reach(desk, path, deadline)
        desk.sendall(question)
        while not answer.endswith(b"\n"):
            desk.settimeout(left_until(deadline))
            part = desk.recv(65536)
            if not part:
                break
            answer += part
            if len(answer) > _LONGEST:
                raise ValueError(f"it has said more than {_LONGEST} bytes")
    return bytes(answer)


def _reach(desk: socket.socket, path: Path, deadline: float) -> None:
    """Connect; a desk whose queue is full, as that of a hanging process is, may clear it yet."""
    while True:
        desk.settimeout(left_until(deadline))
        try:
            desk.connect(str(path))
        except BlockingIOError:
            if monotonic() + _PAUSE >= deadline:
                raise TimeoutError from None
            sleep(_PAUSE)
        else:
            return


def _silent(path: Path, error: str) -> dict[str, Any]:
    return _error(int(path.stem), error)


def _error(pid: int, error: str) -> dict[str, Any]:
    return {"process": {"pid": pid}, "error": error, "pools": []}
