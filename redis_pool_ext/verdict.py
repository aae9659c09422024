"""What a failed dial says about the server, and what of it may be shown."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import Enum
from typing import Any

import redis
from redis.sentinel import MasterNotFoundError

__all__ = ["REFUSED", "UNREACHABLE", "Verdict", "judge", "without_secrets", "without_traceback"]

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


def without_secrets(error: BaseException, settings: Mapping[str, Any]) -> BaseException:
    """Return `error`, or its like without the password that the server has quoted.

    A server that does not know HELLO or AUTH repeats the arguments in its answer.
    """
    secrets = [settings.get(name) for name in ("password", "username")]
    text = str(error)
    # What follows is a quotation of arguments, a credential provider's among them.
    hidden = text.partition(", with args beginning with")[0]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            hidden = hidden.replace(secret, "***")
    return error if hidden == text else type(error)(hidden)


def without_traceback(error: BaseException) -> BaseException:
    """Return a copy of an error, to be kept for as long as the server is down.

    A traceback would keep the caller's frames alive, and all that these hold.
    """
    try:
        return copy.copy(error)
    except Exception:  # a class of somebody else's that is not made from its `args`
        return redis.ConnectionError(f"{type(error).__name__}: {error}")
