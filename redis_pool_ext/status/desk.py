"""The desk: a Unix socket at which this process answers what it knows of its pools.

For commands that run beside it (`manage.py redis_pool stats`), and for a page that another
worker serves. It opens in a process that serves, with its first connection; only this
user can reach it. A question is one line of JSON, the answer another one; nothing can be
changed there.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

from ..forks import ProcessLock
from ..pooling.housekeeper import beside_observer
from ..sizing.advice import TARGET
from .folder import VARIABLE, open_folder
from .patience import left_until
from .report import process_report

__all__ = ["open_desk", "open_desk_when_serving"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# Seconds for a question to come, and for its answer to be taken; there is one clerk.
PATIENCE = 1.0
LONGEST = 4096  # bytes of a question
LONGEST_PATH = 107 if sys.platform == "linux" else 103  # bytes, of a Unix socket

# Held while a desk opens: the observer's thread does that, and anybody's `open_desk()`.
_lock = ProcessLock()
_desk: _Desk | None = None
_was_said = False  # why there is no desk


class _Desk:
    def __init__(self, path: Path) -> None:
        self.path, self.pid = path, os.getpid()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._open_at(path)
        except BaseException:
            self._socket.close()
            raise
        self._file = _file_at(path)

    def _open_at(self, path: Path) -> None:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise OSError(
                f"{path} is too long for a socket, which may have {LONGEST_PATH} bytes: name a "
                f"shorter folder in {VARIABLE} (off: none)"
            )
        with suppress(FileNotFoundError):
            path.unlink()  # of a process that had this number before
        self._socket.bind(str(path))
        self._socket.listen(16)

    def begin(self) -> None:
        """Answer from now on."""
        thread = threading.Thread(target=self._serve, name="redis_pool_ext-desk", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no new threads: the interpreter shuts down
            self.close()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:  # closed
                return
            with visitor:
                self._attend_to(visitor)

    def _attend_to(self, visitor: socket.socket) -> None:
        try:
            answer = _answer(_read_line(visitor))
            visitor.settimeout(PATIENCE)
            visitor.sendall(answer)
        except (OSError, ValueError):  # who asks is gone, or asks for nonsense
            pass
        except Exception:  # the next one has to be answered nevertheless
            logger.exception("status: a question could not be answered")

    def close(self) -> None:
        if self.pid != os.getpid():
            return  # a child that ran no hooks: it is the parent's, and stays open
        # shutdown() wakes who waits in accept(); close() alone does not.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        # Not that of another process, which has the same number in a container of its own.
        if _file_at(self.path) == self._file:
            with suppress(OSError):
                self.path.unlink()

    def leave(self) -> None:
        """Close a child's copy; the parent's desk stays open."""
        self._socket.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return which file that is; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read_line(visitor: socket.socket) -> bytes:
    """Return the question, as far as it comes in time; raises `OSError` where it does not."""
    line, deadline = b"", monotonic() + PATIENCE
    while not line.endswith(b"\n") and len(line) < LONGEST:
        visitor.settimeout(left_until(deadline))
        part = visitor.recv(LONGEST)
        if not part:
            break
        line += part
    return line


def _answer(line: bytes) -> bytes:
    samples, target = _understand(line)
    return json.dumps(process_report(samples=samples, target=target)).encode() + b"\n"


def _understand(line: bytes) -> tuple[int, float]:
    """Return how many samples and which target (seconds) are asked for.

    Raises `ValueError` for whatever is no question.
    """
    try:
        question = json.loads(line or b"{}")
        samples, target = int(question.get("samples", 0)), float(question.get("target", TARGET))
    except (AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no question: {error}") from error
    if samples < 0 or not target > 0:
        raise ValueError(f"no question: samples {samples}, target {target}")
    return samples, target


def open_desk() -> None:
    """Open this process's desk, if it is not open; a wing does so by itself.

    Does nothing where it is switched off (`REDIS_POOL_STATUS_DIR=off`). Raises `OSError` where
    the folder cannot be used.
    """
    global _desk  # noqa: PLW0603
    with _lock.mine():
        if _desk is not None and _desk.pid == os.getpid():
            return
        place = open_folder()
        if place is not None:
            _desk = _Desk(place / f"{os.getpid()}.sock")
            atexit.register(_desk.close)
            _desk.begin()  # last: who has had an answer finds a desk that is cleared at the end


def open_desk_when_serving() -> None:
    """Have the desk opened with the first connection of a process, in whatever fork of this one."""
    beside_observer(_open_or_say_why_not)


def _open_or_say_why_not() -> None:
    global _was_said  # noqa: PLW0603
    try:
        open_desk()
    except OSError as error:
        if not _was_said:  # the observer begins anew with each first pool
            logger.info("status of this process is not shown to others: %s", error)
        _was_said = True


def _leave() -> None:
    global _desk  # noqa: PLW0603
    if _desk is not None:
        atexit.unregister(_desk.close)
        _desk.leave()
        _desk = None


os.register_at_fork(after_in_child=_leave)
