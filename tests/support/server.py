"""A redis-server of a test's own, to be killed, stopped, and started in a bad state."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

import redis

from redis_pool_ext.embedded import EmbeddedRedis


class Server(EmbeddedRedis):
    """A server that a test may mistreat; `admin` is a plain client of it.

    `stop()` is a kill -9, `start()` after it a restart on the same port.
    """

    def admin(self, **kwargs: Any) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, **kwargs)

    def freeze(self) -> None:
        """Stop the process: its port accepts, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def restart_slowly(self, seconds: float) -> None:
        """Restart with a data set that takes so long to load; return while it loads."""
        per_key = 0.05
        with self.admin() as admin:
            admin.config_set("rdbcompression", "no")
            for number in range(int(seconds / per_key)):
                # It looks up from loading, and answers, every two megabytes.
                admin.set(f"filler {number}", b"x" * 2_000_000)
            admin.save()
        self.stop()
        self.arguments += ("--key-load-delay", str(int(per_key * 1e6)))
        self._spawn_loading()

    def _spawn_loading(self) -> None:
        self._process = self._spawn(self.port)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                with socket.create_connection((self.host, self.port), timeout=10) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(64).startswith(b"-LOADING"):
                        return
            except OSError:
                time.sleep(0.005)
        raise AssertionError("the server does not say that it is loading")
