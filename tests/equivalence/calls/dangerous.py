"""Calls that no server should get in a test: they are compared on the wire only."""

from __future__ import annotations

from ..recorder import Recorder


def stopping(r: Recorder) -> None:
    r.shutdown()
    r.shutdown(save=True, now=True, force=True)
    r.shutdown(nosave=True, abort=True)
    r.shutdown(save=True, nosave=True)
    r.debug_segfault()
    r.bgsave()
    r.bgsave(schedule=True)
    r.bgrewriteaof()


def replicating(r: Recorder) -> None:
    r.replicaof("NO", "ONE")
    r.slaveof()
    r.slaveof("127.0.0.1", 1)
    r.failover()
    r.psync("?", -1)
    r.sync()


def speaking(r: Recorder) -> None:
    r.client_reply("ON")
    r.client_reply("SKIP")
    r.client_reply("PERHAPS")
    r.hello()
    r.execute_command("HELLO", 3)
    r.quit()
    r.reset()


GROUPS = (stopping, replicating, speaking)
