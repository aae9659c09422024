"""Which commands only read: where Redis gives no answer, somebody may go on without theirs.

A closed list, of what a server itself calls `readonly` in its reply to COMMAND. What is not in
it (a new command, one of a module, a script that may write) is taken for one that writes.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PAGES", "READING", "is_read", "whole_name"]

# They answer with a page and the way to the next one: whoever calls them unpacks that.
PAGES = frozenset({"SCAN", "SSCAN", "HSCAN", "ZSCAN"})

READING = PAGES | frozenset({
    # of any key
    "DUMP", "EXISTS", "EXPIRETIME", "KEYS", "MEMORY USAGE", "OBJECT ENCODING", "OBJECT FREQ",
    "OBJECT IDLETIME", "OBJECT REFCOUNT", "PEXPIRETIME", "PTTL", "RANDOMKEY", "SORT_RO", "TTL",
    "TYPE", "DBSIZE",
    # texts and bits
    "BITCOUNT", "BITFIELD_RO", "BITPOS", "GET", "GETBIT", "GETRANGE", "LCS", "MGET", "PFCOUNT",
    "STRALGO", "STRLEN", "SUBSTR",
    # hashes, lists, sets
    "HEXISTS", "HEXPIRETIME", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HPEXPIRETIME", "HPTTL",
    "HRANDFIELD", "HSTRLEN", "HTTL", "HVALS", "LINDEX", "LLEN", "LPOS", "LRANGE", "SCARD", "SDIFF",
    "SINTER", "SINTERCARD", "SISMEMBER", "SMEMBERS", "SMISMEMBER", "SRANDMEMBER", "SUNION",
    # sorted sets, places, streams
    "ZCARD", "ZCOUNT", "ZDIFF", "ZINTER", "ZINTERCARD", "ZLEXCOUNT", "ZMSCORE", "ZRANDMEMBER",
    "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZRANK", "ZREVRANGE", "ZREVRANGEBYLEX",
    "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCORE", "ZUNION", "GEODIST", "GEOHASH", "GEOPOS",
    "GEORADIUSBYMEMBER_RO", "GEORADIUS_RO", "GEOSEARCH", "XINFO CONSUMERS", "XINFO GROUPS",
    "XINFO STREAM", "XLEN", "XPENDING", "XRANGE", "XREAD", "XREVRANGE",
    # scripts that cannot write
    "EVALSHA_RO", "EVAL_RO", "FCALL_RO",
    # JSON, which is a part of Redis 8
    "JSON.ARRINDEX", "JSON.ARRLEN", "JSON.GET", "JSON.MGET", "JSON.OBJKEYS", "JSON.OBJLEN",
    "JSON.STRLEN", "JSON.TYPE",
})  # fmt: skip

_TWO_WORDS = frozenset(name.split()[0] for name in READING if " " in name)


def is_read(args: tuple[Any, ...]) -> bool:
    """Tell whether the command `args` is one that only reads."""
    return whole_name(args) in READING


def whole_name(args: tuple[Any, ...]) -> str:
    """Return a command's name, of those with subcommands both words; nothing of its data."""
    words = _words(args[0]) if args else []
    if len(words) == 1 and words[0] in _TWO_WORDS and len(args) > 1:
        words += _words(args[1])
    return " ".join(words[:2] if words and words[0] in _TWO_WORDS else words[:1])


def _words(argument: Any) -> list[str]:
    if isinstance(argument, bytes):
        argument = argument.decode("utf-8", "replace")
    return str(argument).upper().split()
