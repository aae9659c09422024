"""What the pages read: the same values, as each contender stores them."""

from __future__ import annotations

import pickle

import redis

__all__ = ["GETS", "KEYS", "PAGE", "VALUE", "body", "store"]

GETS = (1, 5, 20)  # commands in one request
KEYS = [f"benchmark:{number}" for number in range(max(GETS))]
VALUE = b"thirty-two bytes, as a token has"
PAGE = "<p>Two kilobytes, as a small page has.</p>\n" * 47


def body(gets: int) -> str:
    """Return what the page with so many GETs answers."""
    return VALUE.decode() * gets


def store(url: str) -> None:
    """Put the values there: as they are, and as Django's cache and django-redis have them.

    Not by way of the contenders: that would open connections in them before they are
    counted.
    """
    with redis.Redis.from_url(url) as client:
        for key in KEYS:
            client.set(key, VALUE)
            client.set(f":1:{key}", pickle.dumps(VALUE))
