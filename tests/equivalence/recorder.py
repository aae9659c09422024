"""What a client does, written down so that two of them can be compared.

A `Recorder` stands for a client: what is called on it is called on the client, and the
outcome is noted, a reply with all its types or an exception with its class and text.
Exceptions end there, so a table of calls is plain code:

    def strings(r):
        r.set("key", "value")
        r.incr("key")  # an error, and to be the same error

`r.shape`, `r.unordered` and `r.either` note less, for replies that differ each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_DEEPEST = 12
_MEASURED = frozenset({"duration"})  # by the client, of a search


@dataclass(frozen=True)
class Call:
    """One call: `name` of the method, `text` as in a program, and what came of it."""

    name: str
    text: str
    outcome: Any


class Recorder:
    """A client whose calls are written to `log`."""

    def __init__(
        self,
        client: Any,
        log: list[Call] | None = None,
        *,
        prefix: str = "",
        note: Callable[[Any], Any] | None = None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._note = note or exact
        self.log: list[Call] = [] if log is None else log

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    @property
    def shape(self) -> Recorder:
        """The same, but the values in replies are not compared, only their types."""
        return self._noting(shape)

    @property
    def unordered(self) -> Recorder:
        """The same, but lists may be in another order."""
        return self._noting(unordered)

    @property
    def either(self) -> Recorder:
        """The same, but only whether it returned or raised is compared, and what type."""
        return self._noting(lambda value: type(value).__qualname__)

    def on(self, accessor: str, *args: Any, **kwargs: Any) -> Recorder:
        """Return a recorder for what a method of the client returns, `json()` say."""
        inner = getattr(self._client, accessor)(*args, **kwargs)
        return Recorder(inner, self.log, prefix=f"{self._prefix}{accessor}().", note=self._note)

    def _noting(self, note: Callable[[Any], Any]) -> Recorder:
        return Recorder(self._client, self.log, prefix=self._prefix, note=note)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self._client, name, None)
        if method is None:  # this redis-py does not know the command yet
            return None
        reply = None
        try:
            reply = method(*args, **kwargs)
            if isinstance(reply, Iterator):
                reply = list(reply)
            outcome = self._note(reply)
        except Exception as error:
            outcome = failure(error)
        self.log.append(Call(self._prefix + name, _written(name, args, kwargs), outcome))
        return reply


def _written(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    words = [_short(arg) for arg in args]
    words += [f"{key}={_short(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(words)})"


def _short(value: Any) -> str:
    text = _ADDRESS.sub("", repr(value))
    return text if len(text) <= 80 else text[:77] + "..."


# -- what is noted of a reply --------------------------------------------------------------


def exact(value: Any, depth: int = 0) -> Any:
    """Return `value` with the type of everything in it, to be compared with `==`."""
    kind = type(value).__qualname__
    if depth > _DEEPEST:
        return kind
    if isinstance(value, Exception):
        noted = failure(value)
    elif isinstance(value, redis.Redis):  # a pipeline, that goes on
        noted = "client"
    elif isinstance(value, dict):
        noted = kind, [(exact(k, depth + 1), exact(v, depth + 1)) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        noted = kind, [exact(item, depth + 1) for item in value]
    elif isinstance(value, set | frozenset):
        noted = kind, sorted((exact(item, depth + 1) for item in value), key=repr)
    elif type(value).__module__.partition(".")[0] == "redis" and hasattr(value, "__dict__"):
        noted = kind, exact(_own(value), depth + 1)
    else:
        noted = kind, _ADDRESS.sub("", repr(value))
    return noted


def _own(value: Any) -> dict[str, Any]:
    """Return the attributes of an object of redis-py's, its way back to the client left out."""
    return {
        name: item
        for name, item in vars(value).items()
        if not isinstance(item, redis.Redis) and not callable(item) and name not in _MEASURED
    }


def unordered(value: Any) -> Any:
    """Return what `exact` does, the items of a list sorted, also inside a tuple."""
    if isinstance(value, tuple):
        return "tuple", [unordered(item) for item in value]
    if isinstance(value, list):
        return "list", sorted((exact(item) for item in value), key=repr)
    if isinstance(value, dict):
        return "dict", sorted((exact(item) for item in value.items()), key=repr)
    return exact(value)


def shape(value: Any) -> Any:
    """Return the types in a reply: which keys, and which kinds of values."""
    kind = type(value).__qualname__
    if isinstance(value, dict):
        return kind, sorted(((exact(k), shape(v)) for k, v in value.items()), key=repr)
    if isinstance(value, list | tuple | set):
        return kind, sorted({repr(shape(item)) for item in value})
    return kind


def failure(error: Exception) -> Any:
    """Return what a program can see of an exception."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    args = [_ADDRESS.sub("", repr(arg)) for arg in error.args]
    return "raised", kind, str(error), args, getattr(error, "status_code", None)


# -- the comparison ------------------------------------------------------------------------


def differences(ours: list[Call], theirs: list[Call]) -> list[str]:
    """Say which calls differ, and how; nothing when none does."""
    found = [
        f"{mine.name}: {mine.text}\n    leased:   {mine.outcome}\n    redis-py: {other.outcome}"
        for mine, other in zip(ours, theirs, strict=False)
        if (mine.text, mine.outcome) != (other.text, other.outcome)
    ]
    if len(ours) != len(theirs):
        found.append(f"{len(ours)} calls on the leased client, {len(theirs)} on redis-py's")
    return found


def assert_same(ours: list[Call], theirs: list[Call], where: str = "") -> None:
    found = differences(ours, theirs)
    title = f"{len(found)} of {len(theirs)} calls differ {where}"
    assert not found, "\n".join([title.rstrip() + ":", *found[:10]])
