"""A pool that has never reached its server says so at once, and not only as its circuit opens.

That takes three dials: whoever has forgotten to start Redis has met two answers of 503 by then.
And a loop that ends with its request, as an async view's does under WSGI, takes its pool along
before that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from ..books.report import Reported
from ..forks import ProcessLock

__all__ = ["say_unreached", "told_otherwise"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

_WORDS = "%s: a dial did not reach Redis: %s"

# By alias, as a pool that lives for one request has no memory of the one before.
_reported: dict[str, Reported] = {}
_lock = ProcessLock()  # protects the line above


def say_unreached(alias: str, error: BaseException) -> None:
    """Log that a dial was in vain, once a second at most for all pools of that name."""
    with _lock.mine():
        before = _reported.setdefault(alias, Reported()).is_due(monotonic())
    if before is not None:
        logger.warning(_WORDS, alias, error)


@contextmanager
def told_otherwise() -> Iterator[None]:
    """Leave that line out of the block: a command says in its own words what it found."""
    logger.addFilter(_is_another)
    try:
        yield
    finally:
        logger.removeFilter(_is_another)


def _is_another(record: logging.LogRecord) -> bool:
    return record.msg != _WORDS
