"""The four ways in which redis-py reads replies: two protocols, two parsers each."""

from __future__ import annotations

import os
from typing import Any

import redis

# The long form of these tests: every cell with every parser, several times.
IS_LONG = os.environ.get("REDIS_POOL_EXT_LONG") == "1"

PARSERS: dict[str, dict[str, Any]] = {
    "resp2-hiredis": {"protocol": 2},
    "resp3-hiredis": {"protocol": 3},
    "resp2-python": {"protocol": 2, "parser_class": redis.connection._RESP2Parser},
    "resp3-python": {"protocol": 3, "parser_class": redis.connection._RESP3Parser},
}
