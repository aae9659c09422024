"""A connection class without a socket, for what needs no network."""

from __future__ import annotations

from typing import Any

import redis


class StubConnection(redis.Connection):
    """Connects to nothing; what is in `script` happens to the next dials, in order.

    An exception there is raised, a callable is called; an empty script lets dials pass.
    """

    def __init__(self, *, script: list[Any] | None = None, **kwargs: Any) -> None:
        self.script = script if script is not None else []
        super().__init__(**kwargs)

    def connect(self) -> None:
        if self.script:
            if isinstance(self.script[0], BaseException):
                raise self.script.pop(0)  # not by a name: that were a cycle
            self.script.pop(0)()
        self._sock = object()

    def disconnect(self, *_args: Any, **_kwargs: Any) -> None:
        self._sock = None

    def can_read(self, timeout: float = 0) -> bool:
        return False
