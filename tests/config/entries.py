"""Entries of the mapping of settings, right ones and wrong ones."""

from __future__ import annotations

from redis_pool_ext import PoolConfig
from redis_pool_ext.config import find_problems, read_settings

URL = "redis://localhost:6379/0"
BY_SENTINEL = "redis+sentinel://h/mymaster"
SECRET = "hunter2"

# What messages say.
IS_TEXT = "it is a text, as environment variables are: convert it first"
SAY_ONCE = "say it in one place only"


def read_one(entry: object) -> PoolConfig:
    """Return the record of one entry of the mapping."""
    return read_settings({"default": entry})["default"]


def messages_for(entry: object) -> list[str]:
    """Return what is wrong with one entry, as its author reads it."""
    return [str(problem) for problem in find_problems({"default": entry})]
