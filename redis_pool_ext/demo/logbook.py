"""What the package logs during the burst, kept for the report instead of scrolling by."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["logbook"]


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def logbook() -> Generator[list[str], None, None]:
    """Keep the messages of the logger `redis_pool_ext`; yields the growing list."""
    logger, handler = logging.getLogger("redis_pool_ext"), _Lines()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
