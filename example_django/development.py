"""What a developer need not set up: a Redis, and a secret. No production server imports this."""

from __future__ import annotations

import os
import secrets


def prepare() -> None:
    """Put into the environment what is not there.

    Into the environment, so that the child of a reloader has the same.
    """
    from .local_redis import redis_url

    redis_url()
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
