"""What every 503 owes, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response

from ..support import TIMEOUT


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Fail when the block takes longer than one wait for a connection and a bit."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began <= TIMEOUT + 0.3


def assert_503(response: Response) -> None:
    """Check what every 503 must have."""
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Cache-Control"] == "no-store"
