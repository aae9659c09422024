"""What a failed dial says about the server, and what of it may be shown."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from enum import Enum
from typing import Any

import redis
import redis.exceptions
from redis.sentinel import MasterNotFoundError

from .faults import reasons_of

__all__ = [
    "REFUSED",
    "UNREACHABLE",
    "Verdict",
    "judge",
    "with_advice",
    "without_secrets",
    "without_traceback",
]

# The server answered no: the configuration's fault (password, user, database).
REFUSED = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.ResponseError,
)
# InvalidResponse: something answers there (a proxy's error page, say), and it is no Redis.
UNREACHABLE = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.InvalidResponse,
    OSError,
)
_ADVICE: tuple[tuple[Any, str], ...] = (
    (
        redis.AuthenticationError,
        "see to the user name and password in URL or OPTIONS, and to ACL LIST on the server",
    ),
    (
        redis.exceptions.NoPermissionError,
        "the user lacks the right to a command with which connections begin; ACL LOG names it",
    ),
)
# What the server, or something in its place, has said, and that is not "no room".
_NOT_SERVING = (redis.BusyLoadingError, redis.exceptions.InvalidResponse, MasterNotFoundError)

# Seconds. A dial that was given less, and less than its pool's whole timeout, was cut
# short by its caller's deadline.
ENOUGH_FOR_A_DIAL = 0.5


class Verdict(Enum):
    """What the circuit learns from a failed dial."""

    DOWN = "down"
    ANSWERED = "answered"
    CUT_SHORT = "cut short"
    FULL = "full"
    NOTHING = "nothing"


def judge(error: BaseException, *, heard: bool, had: float, enough: float) -> Verdict:
    """Say what a dial that ended with `error` tells about the server.

    `heard`: the server had said something; a plain `redis.ConnectionError` is then its
    own words (`maxclients` reached), not the network's. `had` of the pool's `enough`
    seconds were left when the dial began.
    """
    if isinstance(error, REFUSED):
        return Verdict.ANSWERED
    if not isinstance(error, UNREACHABLE):
        return Verdict.NOTHING
    if isinstance(error, redis.TimeoutError | TimeoutError):
        short = had < 0.9 * min(ENOUGH_FOR_A_DIAL, enough)
        return Verdict.CUT_SHORT if short else Verdict.DOWN
    if heard and not isinstance(error, _NOT_SERVING):
        return Verdict.FULL
    return Verdict.DOWN


def without_secrets(error: BaseException, secrets: Iterable[Any]) -> BaseException:
    """Return `error`, with what the server has quoted of secrets taken out of its words.

    A server that does not know HELLO or AUTH repeats the arguments in its answer. The errors
    below it are cleaned as well: who prints a traceback prints these, too.
    """
    plain = [each.decode(errors="replace") if isinstance(each, bytes) else each for each in secrets]
    known = [each for each in plain if isinstance(each, str) and each]
    for reason in reasons_of(error):
        if isinstance(reason, redis.RedisError):
            reason.args = tuple(_hide(arg, known) for arg in reason.args)
    return error


def _hide(words: Any, secrets: list[str]) -> Any:
    if not isinstance(words, str):
        return words
    # What follows is a quotation of arguments, a credential provider's among them.
    words = words.partition(", with args beginning with")[0]
    for secret in secrets:
        words = words.replace(secret, "***")
    return words


def with_advice(error: BaseException, alias: str) -> BaseException:
    """Return `error`, with a note of what to do where the server refuses who we are."""
    for kind, advice in _ADVICE:
        if isinstance(error, kind):
            error.add_note(f'pool "{alias}": {advice}')
            break
    return error


def without_traceback(error: BaseException) -> BaseException:
    """Return a copy of an error, to be kept for as long as the server is down.

    A traceback would keep the caller's frames alive, and all that these hold.
    """
    try:
        return copy.copy(error)
    except Exception:  # a class of somebody else's that is not made from its `args`
        return redis.ConnectionError(f"{type(error).__name__}: {error}")
