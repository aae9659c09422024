"""Who goes first when not everybody can be served."""

from __future__ import annotations

from enum import IntEnum

from .problems import ConfigError, Problem, did_you_mean, shown

__all__ = ["Priority"]


class Priority(IntEnum):
    """A class of borrowers: those of a higher one are served first, whenever they came.

    Within a class the order is that of arrival. Smaller numbers go first.
    """

    HIGH = 0
    NORMAL = 1
    LOW = 2

    @classmethod
    def of(cls, name: object, path: str = "priority") -> Priority:
        """Return the class called `name` ("high", "normal", "low"), or `name` if it is one.

        Raises `ConfigError`, which calls the setting or argument `path`.
        """
        if isinstance(name, cls):
            return name
        if isinstance(name, str) and name.upper() in cls.__members__:
            return cls[name.upper()]
        names = [each.name.lower() for each in cls]
        hint = f"use one of {', '.join(map(repr, names))}{did_you_mean(name, names)}"
        raise ConfigError([Problem("E003", path, f"{shown(name)} is not a priority", hint)])
