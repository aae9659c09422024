# mypy: disable-error-code="no-untyped-call"
"""Sending and reading in time; redis-py would start a task for each, or take None for a reply."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import redis

from ..wire.spending import bounded
from .dial import DialledAsyncConnection
from .express import LONGEST, AsyncLane

__all__ = ["NOT_YET", "TimedConnection"]

# Returned in place of a reply that did not come within the `timeout=` of its reader.
NOT_YET: Any = object()


class TimedConnection(DialledAsyncConnection):
    """A mixin that takes the time of what redis-py sends and reads.

    The books are in front of it: `lane` is the short way while it is open, and commands that
    are on their way may block for `_patience` seconds.
    """

    lane: AsyncLane | None
    _may_take_short_way: bool
    _patience: float
    _keeps_time = False

    def cut(self) -> None:
        """Close the connection at once, and what is owed on it."""
        raise NotImplementedError

    async def _send_in_time(self, command: Any) -> None:
        """Send within `socket_timeout`; redis-py would start a task for each command."""
        if self._handshake is not None and self._may_take_short_way:
            self._handshake.say(command)
            return
        limit = None if self._has_room_for(command) else self._time_for_a_reply()
        self._keeps_time = True
        try:
            if limit is None:
                await super().send_packed_command(command, check_health=False)
            else:
                async with asyncio.timeout(limit):
                    await super().send_packed_command(command, check_health=False)
        except TimeoutError:
            raise redis.TimeoutError("Timeout writing to socket") from None
        finally:
            self._keeps_time = False

    def _has_room_for(self, command: Any) -> bool:
        """Tell whether these bytes are sent without waiting for the server to take some."""
        lane = self.lane
        if lane is None or type(command) is not list:
            return False
        return sum(map(len, command)) <= LONGEST and not lane.unsent()

    async def _read_within(
        self,
        seconds: float,
        disable_decoding: bool,
        *,
        disconnect_on_error: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Read one reply, if it comes within so many seconds.

        redis-py returns None else, and None is a reply, too: nobody could tell what is owed.
        """
        self._keeps_time = True
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                return await super().read_response(
                    disable_decoding=disable_decoding, disconnect_on_error=False, **kwargs
                )
        except TimeoutError:
            return NOT_YET
        except redis.ResponseError:
            raise
        except BaseException:
            if disconnect_on_error:
                self.cut()
            raise
        finally:
            self._keeps_time = False

    @property
    def socket_timeout(self) -> float | None:
        """Seconds to wait for a reply: more where commands block on purpose.

        None while this class itself takes the time, and redis-py is not to.
        """
        return None if self._keeps_time else self._time_for_a_reply()

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = value

    def _time_for_a_reply(self) -> float | None:
        own = self._socket_timeout
        limit = math.inf if own is None else own + self._patience
        if self.budget is not None:
            limit = bounded(limit, self.budget.left())
        return limit if limit < math.inf else None
