"""A guard in front of whatever class of connection a pool was given."""

from __future__ import annotations

from typing import Any, TypeVar

__all__ = ["put_in_front"]

T = TypeVar("T")

_guards: dict[tuple[type[Any], type[Any]], type[Any]] = {}


def put_in_front(guard: type[T], connection_class: type[Any], **facts: Any) -> type[T]:
    """Return `connection_class` with `guard` in front, the same class each time.

    Raises `TypeError` for something that is not a class.
    """
    if not isinstance(connection_class, type):
        raise TypeError(
            f"connection_class must be a class, such as redis.Connection, not {connection_class!r}"
        )
    if issubclass(connection_class, guard):
        return connection_class
    made = _guards.get((guard, connection_class))
    if made is None:
        name, facts["__module__"] = f"Guarded{connection_class.__name__}", guard.__module__
        made = type(name, (guard, connection_class), facts)
        made = _guards.setdefault((guard, connection_class), made)
    return made
