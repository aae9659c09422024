"""What one setting may be, and the usual kinds of that.

A rule never changes a value: it says what is wrong with it, or nothing. Only a URL's
query, which is text, is converted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .problems import Problem, shown

__all__ = ["SECONDS", "Rule", "an_object", "flag", "is_a", "one_of", "seconds", "text", "whole"]


def _as_it_is(text: str) -> Any:
    return text


def _anything(_value: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one setting may be.

    `fits` tells whether a value is of the right type, `allows` whether one of that type
    is possible. `parse` converts a text from a URL, and returns as it is what it cannot
    convert.
    """

    expected: str
    fits: Callable[[Any], bool]
    hint: str
    allows: Callable[[Any], bool] = _anything
    fault: str = "is not possible"
    none: bool = False
    secret: bool = False
    parse: Callable[[str], Any] = _as_it_is

    def problem(self, path: str, value: Any) -> Problem | None:
        """Return what is wrong with a value, None when it may be used."""
        if value is None and self.none:
            return None
        said = "the value" if self.secret else shown(value)
        if not self.fits(value):
            expected = self.expected + (" or None" if self.none else "")
            return Problem("E002", path, f"{said} is not {expected}", self._type_hint(value))
        if not self.allows(value):
            return Problem("E003", path, f"{said} {self.fault}", self.hint)
        return None

    def from_text(self, text: str) -> Any:
        """Return what a text in a URL says; the text as it is where that is nothing known."""
        if self.none and text.lower() == "none" and not self.fits(text):
            return None
        return self.parse(text)

    def _type_hint(self, value: Any) -> str:
        if isinstance(value, str) and self.fits(self.parse(value)):
            return "it is a text, as environment variables are: convert it first"
        return self.hint


def is_a(*types: type[Any]) -> Callable[[Any], bool]:
    """Return a type check to which True is no number."""
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def whole(least: int, most: int | None = None, *, none: bool = False) -> Rule:
    """Return the rule for a whole number from `least` to `most`; `none`: or for None."""
    return Rule(
        expected="a whole number",
        fits=is_a(int),
        allows=lambda number: least <= number and (most is None or number <= most),
        fault="is too small" if most is None else "is out of range",
        hint=f"the least is {least}" if most is None else f"give {least} to {most}",
        none=none,
        parse=lambda text: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text,
    )


def seconds(*, zero: str | None = None, none: bool = False) -> Rule:
    """Return the rule for a time; `zero` says what 0 means, None that it is impossible."""
    least = f"from 0 ({zero}) up" if zero else "above 0"
    return Rule(
        expected="a number of seconds",
        fits=is_a(int, float),
        # No comparison with nan holds, and inf is above the greatest.
        allows=lambda n: (n > 0 or (zero is not None and n == 0)) and n <= threading.TIMEOUT_MAX,
        fault="is not a time that one can wait",
        hint=f"give seconds {least}" + (", or None for no limit" if none else ""),
        none=none,
        parse=_parse_seconds,
    )


def _parse_seconds(text: str) -> Any:
    return float(text) if re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", text) else text


def flag(*, none: bool = False) -> Rule:
    """Return the rule for True and False."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return Rule(
        expected="True or False",
        fits=is_a(bool),
        hint="in a URL, write true or false",
        none=none,
        parse=lambda text: words.get(text.lower(), text),
    )


def text(
    expected: str = "a text (str)", *also: type[Any], none: bool = True, secret: bool = False
) -> Rule:
    """Return the rule for a text, `also` for other types; a `secret` is never shown."""
    hint = "give it as str"
    return Rule(expected=expected, fits=is_a(str, *also), hint=hint, none=none, secret=secret)


def one_of(*choices: str, also: tuple[type[Any], ...] = (), none: bool = False) -> Rule:
    """Return the rule for one of a few texts, `also` for other types."""
    listed = " or ".join(map(repr, choices))
    return Rule(
        expected=listed,
        fits=is_a(str, *also),
        allows=lambda value: value in choices or isinstance(value, also),
        fault="is not known",
        hint=f"use {listed}",
        none=none,
    )


def an_object(expected: str, fits: Callable[[Any], bool], *, secret: bool = False) -> Rule:
    """Return the rule for what only Python can give."""
    hint = "it is an object, which no text and no URL can hold"
    return Rule(expected=expected, fits=fits, hint=hint, none=True, secret=secret)


# Of a time that is no setting of a pool.
SECONDS = seconds()
