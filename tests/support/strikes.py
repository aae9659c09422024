"""An exception, or a visitor, at every place where one can strike, one after the other.

CPython looks for signals and asynchronous exceptions when a function begins, when a call
into C has returned, and when a loop turns: an exception of somebody else's arises there
and nowhere else. `strike_everywhere` runs a scenario again and again and raises at the
first such place of the package (or of redis-py) in the first run, at the second in the
second, until a run comes through. No timing is involved: each place is struck.

`visit_everywhere` calls a function there instead: a signal handler that returns, a
finalizer, a fork, or a halt while another thread goes on.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import redis

import redis_pool_ext

STRUCK = tuple(str(Path(str(module.__file__)).parent) for module in (redis_pool_ext, redis))


class Strike(BaseException):
    """What a gevent.Timeout, a worker's time limit or Ctrl-C looks like."""


@cache
def _opnames(code: CodeType) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


class _Visitor:
    """Calls `visit` at the n-th place, once.

    A profile function sees calls into C return; what it raises comes out of that call, as
    a signal handler's exception does. A trace function sees functions begin and loops turn.
    """

    def __init__(self, place: int, visit: Callable[[], object], among: tuple[str, ...]) -> None:
        self.left = place
        self._among = among  # the files with places
        self._visit = visit
        self.where: str | None = None
        self._turning: set[int] = set()  # frames that have just jumped back

    def profile(self, frame: FrameType, event: str, _arg: Any) -> None:
        if event == "c_return" and frame.f_code.co_filename.startswith(self._among):
            self._pass(frame)

    def trace(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._among):
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            self._turning.discard(id(frame))
            self._pass(frame)
        elif event == "opcode":
            if id(frame) in self._turning:
                self._turning.discard(id(frame))
                self._pass(frame)
            if "JUMP_BACKWARD" in _opnames(frame.f_code).get(frame.f_lasti, ""):
                self._turning.add(id(frame))
        return self.trace

    def _pass(self, frame: FrameType) -> None:
        self.left -= 1
        if self.left < 0 and self.where is None:
            self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self._visit()


def strike_everywhere(scenario: Callable[[], object]) -> Iterator[str]:
    """Run `scenario` once per place in the package, struck there; yield each place.

    The caller checks, after each, that nothing was lost.
    """

    def struck() -> None:
        with suppress(Strike):
            scenario()

    return visit_everywhere(struck, _raise)


def visit_everywhere(
    scenario: Callable[[], object],
    visit: Callable[[], object],
    *,
    start: int = 0,
    stride: int = 1,
    among: tuple[str, ...] = STRUCK,
) -> Iterator[str]:
    """Run `scenario` once per place (or every `stride`-th one) in the package.

    `visit` is called there; yields each place after its run.
    """
    place = start
    while (where := run_visited(scenario, visit, place, among)) is not None:
        yield where
        place += stride


def run_visited(
    scenario: Callable[[], object],
    visit: Callable[[], object],
    place: int,
    among: tuple[str, ...] = STRUCK,
) -> str | None:
    """Run `scenario` with a visit at one place; return where that was, if it was reached."""
    visitor = _Visitor(place, visit, among)
    before = sys.gettrace(), sys.getprofile()
    try:
        sys.settrace(visitor.trace)
        sys.setprofile(visitor.profile)
        scenario()
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])
    return visitor.where


def _raise() -> None:
    raise Strike
