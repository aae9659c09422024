"""Patched after the import, before the first use: `python -m tests.runtimes.gevent_preloaded`.

As a server does that loads the application, forks, and patches in its worker.
"""

import json
import sys
import warnings

from gevent import monkey

from redis_pool_ext import configure, get_pool, lease_scope


def main(url: str) -> None:
    """Use a pool for the first time, and print whether anybody else could run meanwhile."""
    configure({"default": {"URL": url, "HOUSEKEEPING_INTERVAL": 0.01}})
    warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
    monkey.patch_all()
    import gevent

    with lease_scope(), get_pool().lease() as client:
        reply = client.echo("hello")
    ran = gevent.spawn(lambda: "ran")
    gevent.sleep(0.1)  # the housekeeper goes round in the meantime, as a greenlet
    print(json.dumps({"reply": reply.decode(), "other": ran.get(timeout=10)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
