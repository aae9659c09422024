"""A steady load, and the record of how each command of it ended."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

from ..support.server import Server
from ..support.threads import Spawned, spawn, wait_until
from .sides import connection_of


class Command(NamedTuple):
    """One command of a writer: its key is its value, and nobody else's."""

    writer: int
    key: str
    began: float
    ended: float
    port: int | None  # of the server that acknowledged it; None: it failed
    error: BaseException | None


class Load:
    """Some writers, each of which takes a lease per request; a context manager."""

    def __init__(self, side: Any, writers: int = 6) -> None:
        self.commands: list[Command] = []
        self.mixed_up: list[tuple[str, Any]] = []
        self.writers = range(writers)
        self._side = side
        self._stop = threading.Event()
        self._threads: list[Spawned] = []

    def __enter__(self) -> Load:
        self._threads = [spawn(self._write, writer) for writer in self.writers]
        wait_until(lambda: self.acknowledged_by_each(20))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.result()

    def _write(self, writer: int) -> None:
        number = 0
        while not self._stop.wait(0.002):
            number += 1
            self._request(writer, f"{writer}:{number}")

    def _request(self, writer: int, key: str) -> None:
        began = time.monotonic()
        try:
            with self._side.lease() as client:
                client.set(key, key)
                port = connection_of(client).port
                self._note(writer, key, began, port)
                began = time.monotonic()
                found = client.get(key)
                self._note(writer, key, began, None)
            if found not in (key.encode(), None):  # None: it has changed the server in between
                self.mixed_up.append((key, found))
        except Exception as error:
            self._note(writer, key, began, None, error.with_traceback(None))

    def _note(self, *facts: Any) -> None:
        writer, key, began, port, *error = facts
        ended = time.monotonic()
        self.commands.append(Command(writer, key, began, ended, port, *(error or [None])))

    # -- what became of it -----------------------------------------------------------------

    def acknowledged_by_each(self, number: int, *, since: float = 0.0, port: int = 0) -> bool:
        """Tell whether so many writes of each writer were acknowledged."""
        counts = Counter(
            each.writer
            for each in list(self.commands)
            if each.port and each.port == (port or each.port) and each.ended > since
        )
        return all(counts[writer] >= number for writer in self.writers)

    def back_after(self, moment: float, port: int) -> float:
        """Return the seconds from then on until all writers wrote to this server."""
        return (
            max(
                min(c.ended for c in self.commands if c.writer == writer and c.port == port)
                for writer in self.writers
            )
            - moment
        )

    def lost_by(self, server: Server) -> set[str]:
        """Return the keys that a server has acknowledged, and does not have."""
        keys = sorted({each.key for each in self.commands if each.port == server.port})
        assert keys, "the server has acknowledged nothing"
        with server.admin() as admin:
            values = admin.mget(keys)
        return {key for key, value in zip(keys, values, strict=True) if value != key.encode()}

    @property
    def longest(self) -> float:
        """The seconds that the slowest command took, however it ended."""
        return max(each.ended - each.began for each in self.commands)

    @property
    def errors(self) -> Counter[type[BaseException]]:
        """The kinds of errors, and how many of each."""
        return Counter(type(each.error) for each in self.commands if each.error is not None)
