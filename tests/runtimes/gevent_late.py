"""Patched after the pool was made and used: `python -m tests.runtimes.gevent_late`."""

import json
import sys
import warnings

from gevent import monkey

from redis_pool_ext import LeaseError, RedisPool

GREENLETS = 20


def main(url: str) -> None:
    """Use a pool and a lease of before the patch in greenlets; print what they got."""
    pool = RedisPool.from_url(url, max_connections=3, timeout=20)
    held = [pool.get_connection() for _ in range(2)]
    for connection in held:
        pool.release(connection)
    lease = pool.lease()  # its lock is the one of before
    client = lease.client()
    warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
    monkey.patch_all()
    import gevent

    def live(number: int) -> bool:
        mine = b"%d" % number
        for _ in range(20):
            with pool.lease() as own:
                if {own.echo(mine), *own.pipeline().echo(mine).execute()} != {mine}:
                    return False
        return True

    def share(number: int) -> str:
        mine = b"%d" % number
        try:
            return "right" if client.echo(mine) == mine else "wrong"
        except LeaseError as error:
            return str(error)

    jobs = [gevent.spawn(live, n) for n in range(GREENLETS)]
    gevent.joinall(jobs, raise_error=True)
    pool.drain()
    sharers = [gevent.spawn(share, n) for n in range(GREENLETS)]
    gevent.joinall(sharers, raise_error=True)
    lease.end()
    left = pool.stats()
    said = {"own": [job.value for job in jobs], "shared": [job.value for job in sharers]}
    print(json.dumps(said | {"in_use": left.in_use, "waiting": left.waiting}))


if __name__ == "__main__":
    main(*sys.argv[1:])
