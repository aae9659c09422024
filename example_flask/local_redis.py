"""Which Redis? The one in `REDIS_URL`, else one of our own while the program runs."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import ExitStack

from redis_pool_ext.embedded import EmbeddedRedis, NoRedisServerError


def redis_url() -> str:
    """Return the address of a Redis, starting a server if there is none in `REDIS_URL`.

    The address goes into `REDIS_URL`, so that everything asked later, and every child
    process (both frameworks' reloaders are), uses the same server.
    """
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = _start_server()
    return os.environ["REDIS_URL"]


def _start_server() -> str:
    try:
        embedded = EmbeddedRedis()
    except NoRedisServerError:
        return "fakeredis://localhost/0"  # no program anywhere: a Redis made of Python
    stack = ExitStack()
    server = stack.enter_context(embedded)
    atexit.register(_stop, stack, os.getpid())
    _exit_in_order_when_terminated()
    print(f"REDIS_URL is not set. Until this ends, a Redis runs at {server.url}", file=sys.stderr)
    return server.url


def _stop(stack: ExitStack, owner: int) -> None:
    # A forked worker inherits this exit handler, and must not stop its parent's server.
    if os.getpid() == owner:
        stack.close()


def _exit_in_order_when_terminated() -> None:
    """Let SIGTERM run the exit handlers: by default it ends Python without them."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
