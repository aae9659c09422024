"""Asking the processes beside this one, each at its desk."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from ..advice import TARGET
from .folder import folder
from .report import FORMAT, process_report

__all__ = ["ask_processes"]


def ask_processes(
    *, samples: int = 0, target: float = TARGET, timeout: float = 1.0, this_one: bool = True
) -> list[dict[str, Any]]:
    """Return the report of each process of this user that has pools, by process id.

    All are asked at the same time, and have `timeout` seconds together. One that does not
    answer in time is told as `{"process": {"pid": ...}, "error": ...}`; one that is gone is not
    told. `this_one` comes without being asked.
    """
    others = [path for path in _desks() if path.stem != str(os.getpid())]
    question = json.dumps({"samples": samples, "target": target}).encode() + b"\n"
    reports = [process_report(samples=samples, target=target)] if this_one else []
    if others:
        deadline = monotonic() + timeout
        with ThreadPoolExecutor(min(len(others), 32)) as crowd:
            answers = crowd.map(lambda path: _ask(path, question, deadline), others)
            reports += [answer for answer in answers if answer is not None]
    return sorted(reports, key=lambda report: report["process"]["pid"])


def _desks() -> list[Path]:
    place = folder()
    return sorted(place.glob("*.sock")) if place is not None else []


def _ask(path: Path, question: bytes, deadline: float) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = json.loads(_exchange(path, question, deadline))
    except (ConnectionRefusedError, FileNotFoundError):
        with suppress(OSError):
            path.unlink()  # its process is gone, and had no time to clear its desk
        return None
    except (OSError, ValueError) as error:
        return _silent(path, f"does not answer: {error or type(error).__name__}")
    if answer.get("format") != FORMAT:
        return _silent(path, f"has redis_pool_ext {answer.get('version')}, of another format")
    return answer


def _exchange(path: Path, question: bytes, deadline: float) -> bytes:
    answer = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as desk:
        desk.settimeout(max(deadline - monotonic(), 0.001))
        desk.connect(str(path))
        desk.sendall(question)
        while not answer.endswith(b"\n"):
            desk.settimeout(max(deadline - monotonic(), 0.001))
            part = desk.recv(65536)
            if not part:
                break
            answer += part
    return bytes(answer)


def _silent(path: Path, error: str) -> dict[str, Any]:
    pid = int(path.stem) if path.stem.isdigit() else 0
    return {"process": {"pid": pid}, "error": error, "pools": []}
