"""What a process started by `multiprocessing` does; it must be importable there."""

from __future__ import annotations

from redis_pool_ext import configure, get_pool, get_redis, lease_scope


def incr_twice(url: str) -> tuple[int, int, int]:
    """Count in a lease and outside of one; return the counts and this process's dials."""
    configure({"default": url})
    with lease_scope():
        first = get_redis().incr("hits")
    return first, get_redis().incr("hits"), get_pool().stats().created


def incr_inherited(_number: int) -> tuple[int, int]:
    """Count with the pool that the parent configured; return count and client id."""
    with lease_scope():
        return get_redis().incr("hits"), get_redis().client_id()
