"""An operation on a cluster: what one server does with several keys is asked of each node.

Between the operation and who runs it, and as it waits for nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from .operations import Command, Operation, T

__all__ = ["OnNode", "across_nodes"]


class OnNode(NamedTuple):
    """A command for one node, whatever its keys."""

    node: Any
    command: Command


Steps = Generator[Command | list[Command] | OnNode, Any, Any]


def across_nodes(operation: Operation[T], nodes: Sequence[Any]) -> Generator[Any, Any, T]:
    """Return the same operation for a cluster with these primaries."""
    answer: Any = None
    try:
        while True:
            answer = yield from _each(operation.send(answer), nodes)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _each(asked: Command | list[Command], nodes: Sequence[Any]) -> Steps:
    """Ask what one command asks, and return what it would answer."""
    if isinstance(asked, list):
        return (yield asked)
    name, *words = asked
    if name == "MGET":
        return (yield [("GET", key) for key in words])
    if name == "UNLINK":
        return sum((yield [("UNLINK", key) for key in words]))
    if name == "SCAN":
        return (yield from _scan(words, nodes))
    if name == "EVAL" and words[1] == 2:
        return (yield from _move(*words[2:4]))
    return (yield asked)


def _scan(words: list[Any], nodes: Sequence[Any]) -> Steps:
    """Search one node after the other; where to go on is a node and its own cursor."""
    number, cursor = words[0] or (0, 0)
    # redis-py has asked any number of nodes, and tells the cursor of each.
    cursors, keys = yield OnNode(nodes[number], ("SCAN", cursor, *words[1:]))
    [cursor] = cursors.values()
    if cursor:
        return (number, cursor), keys
    return (number + 1, 0) if number + 1 < len(nodes) else 0, keys


def _move(old: str, new: str) -> Steps:
    """Rename a key that may lie on another node then: in three steps, not in one."""
    value, left = yield [("DUMP", old), ("PTTL", old)]
    if value is None:
        return 0
    yield "RESTORE", new, max(left, 0), value, "REPLACE"
    yield "UNLINK", old
    return 1
