"""What is wrong with the settings, said without a credential in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from .url_grammar import hide_secrets

__all__ = ["ConfigError", "Problem", "did_you_mean", "shown"]


class Problem(NamedTuple):
    """One thing wrong with the settings; `code` is stable and documented."""

    code: str
    path: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.hint}"


class ConfigError(ValueError):
    """Settings that cannot be used, all problems at once in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems: list[Problem] = list(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


def shown(value: object) -> str:
    """Return a value as a message may show it: plain data, short, and no credentials."""
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"  # Python refuses to print one of some thousand digits
    if value is None or isinstance(value, int | float):
        return repr(value)
    if not isinstance(value, str):
        return f"a value of type {type(value).__name__}"
    if "@" in value or "://" in value:
        value = hide_secrets(value)
    return repr(value if len(value) <= 60 else value[:60] + "...")


def did_you_mean(name: object, known: Collection[str]) -> str:
    """Return the end of a hint with the known name that is nearest, or nothing."""
    near = get_close_matches(str(name)[:60], sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
