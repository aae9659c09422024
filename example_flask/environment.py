"""What the environment says. Whatever is missing or wrong ends the start with one sentence.

No default for a secret or for the address of Redis stands here: a server that makes up its own
would run, with a key that each process has another of, on a Redis that nobody meant.
`development.py` makes both up, for the two commands that are meant for that.
"""

from __future__ import annotations

import os

_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class EnvironmentVariableError(ValueError):
    """A variable is missing, or its value makes no sense. The message never shows a secret."""


def required(name: str, way_out: str) -> str:
    """Return the value of `name`; raises `EnvironmentVariableError`, which ends in `way_out`."""
    value = os.environ.get(name)
    if not value:
        raise EnvironmentVariableError(f"{name} is not set in the environment: {way_out}")
    return value


def flag(name: str) -> bool:
    """Tell whether `name` says yes; unset is no."""
    value = os.environ.get(name, "").strip().lower()
    if value not in _YES | _NO:
        raise EnvironmentVariableError(f"{name}={value} is neither yes nor no: write {name}=1 or 0")
    return value in _YES


def whole(name: str, default: int) -> int:
    """Return the whole number, 1 or more, that `name` holds."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise EnvironmentVariableError(f"{name}={text} is no whole number above 0, as {default} is")
    return int(text)


def seconds(name: str, default: float) -> float:
    """Return the seconds, 0 or more, that `name` holds."""
    text = os.environ.get(name) or str(default)
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise EnvironmentVariableError(f"{name}={text} is no number of seconds, as {default} is")
    return found


def names(name: str, default: str) -> list[str]:
    """Return what `name` lists, between commas."""
    return [each.strip() for each in os.environ.get(name, default).split(",") if each.strip()]
