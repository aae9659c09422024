"""The leak table: every way in which state passes from one borrower to the next.

Each row says what the first borrower does, what the next one sees on plain redis-py, and
what our pool does about it; the tests beside this file run each row on both. What takes
more than two borrowers in turn is in `stories`. To read both: `python -m tests.leaks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from . import dirt
from .dirt import (
    SECRET,
    Interrupt,
    callback_raises,
    cancelled,
    does,
    interrupted,
    packs,
    queues,
    sends,
)

__all__ = ["CLOSED", "KEPT", "REDIS_PY", "ROWS", "ROWS_OF_TASKS", "SETTINGS", "Row", "Setting"]

# What our pool does, where it does not warn.
KEPT = "kept"  # nothing was left: the next borrower gets the same connection
CLOSED = "closed"  # on the spot, by redis-py or our lease: nothing to warn of

REDIS_PY = int(redis.__version__.split(".", 1)[0])
EVERY_WAY = ("command", "lease", "raw")
BY_CLIENT = ("command", "lease")
HELD = ("lease", "raw")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Which protocol, and how far the server."""

    protocol: int
    is_far: bool

    def __str__(self) -> str:
        return f"RESP{self.protocol}-{'far' if self.is_far else 'near'}"


SETTINGS = [Setting(protocol=p, is_far=far) for p in (2, 3) for far in (False, True)]


# -- where plain redis-py leaks ------------------------------------------------------------


def everywhere(_setting: Setting) -> bool:
    """On each protocol, near and far."""
    return True


def nowhere(_setting: Setting) -> bool:
    """Redis-py protects, or nothing was left."""
    return False


def unlooked_for(setting: Setting) -> bool:
    """Where unread replies are not looked for at checkout: redis-py 8 on RESP3."""
    return setting.protocol == 3 and REDIS_PY >= 8


def unseen(setting: Setting) -> bool:
    """Where they are not looked for, or are still on their way."""
    return setting.is_far or unlooked_for(setting)


def on_resp2(setting: Setting) -> bool:
    """On RESP2 only."""
    return setting.protocol == 2


def on_resp3(setting: Setting) -> bool:
    """On RESP3 only."""
    return setting.protocol == 3


# -- a row ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that a first borrower can leave behind.

    The next borrower runs `probe`, and gets `clean` on a fresh connection, `leaked` on
    the first one's (by protocol, where it is a dict). `ours` is why our pool closes the
    connection, in the words of its warning; or KEPT or CLOSED. `plain` tells where
    redis-py leaks, `since` which server knows the command first. `near_only` rows are about
    spelling, which the distance does not change. `late` is what may still
    be on its way when the next one comes: a "reply" that nobody read, other clients'
    "traffic". With `hangs` the next one waits in vain.
    """

    name: str
    how: str
    dirty: dirt.Dirty
    sees: str
    probe: dirt.Probe = dirt.own_reply
    clean: Any = b"mine"
    leaked: Any = None
    ours: str
    plain: Callable[[Setting], bool] = everywhere
    ways: tuple[str, ...] = EVERY_WAY
    since: tuple[int, int] = (6, 2)
    server: str = "alone"
    options: Mapping[str, Any] = field(default_factory=dict)
    near_only: bool = False
    late: str | None = None
    hangs: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def settings(self) -> list[Setting]:
        return [setting for setting in SETTINGS if not (self.near_only and setting.is_far)]

    def seen_on_plain(self, setting: Setting) -> Any:
        """Return what the next borrower gets from plain redis-py."""
        if not self.plain(setting):
            return self.clean
        return self.leaked[setting.protocol] if isinstance(self.leaked, dict) else self.leaked


# -- replies that nobody read ---------------------------------------------------------------


def _unread(name: str, dirty: dirt.Dirty, leaked: bytes, **more: Any) -> Row:
    defaults = {
        "how": "a timeout or signal strikes between send and read",
        "sees": "the first one's reply in place of its own, and so on from there",
        "ours": "unread reply",
        "plain": unseen,
        "ways": BY_CLIENT,
        "late": "reply",
    }
    return Row(name=name, dirty=dirty, leaked=leaked, **(defaults | more))


ECHO = ("ECHO", SECRET)

UNREAD = [
    _unread(
        "unread: connection",
        interrupted(dirt.before_the_read, *ECHO),
        SECRET,
        ways=EVERY_WAY,
    ),
    _unread("unread: command", dirt.interrupted_client(lambda client: client.echo(SECRET)), SECRET),
    _unread(
        "unread: client.client()",
        dirt.interrupted_inner_client,
        SECRET,
    ),
    _unread(
        "unread: pipeline", dirt.interrupted_pipeline(ECHO, ("PING",), transaction=False), SECRET
    ),
    _unread("unread: transaction", dirt.interrupted_pipeline(ECHO, transaction=True), b"OK"),
    _unread("unread: WATCH", dirt.interrupted_watch, b"OK"),
    _unread(
        "unread: script",
        dirt.interrupted_client(lambda client: client.register_script(dirt.RETURN_SECRET)()),
        SECRET,
    ),
    _unread(
        "unread: lock",
        dirt.interrupted_client(lambda client: dirt.new_lock(client).acquire()),
        b"OK",
    ),
    _unread(
        "unread: not waited for",
        sends(*ECHO),
        SECRET,
        how="connection.send_command, and no read_response",
        ways=EVERY_WAY,
    ),
    _unread(
        "unread: two for one",
        dirt.sends_two_commands_as_bytes,
        SECRET,
        how="send_packed_command with bytes of two commands, one reply read",
        ours="left in bytes packed elsewhere",
        plain=unlooked_for,
        late=None,
        ways=EVERY_WAY,
    ),
    _unread(
        "unread: raising callback, pipeline",
        callback_raises(
            lambda client: client.pipeline(transaction=False).echo("a").echo(SECRET).execute(),
            ValueError,
        ),
        SECRET,
        how="a response callback raises in pipeline(transaction=False)",
        plain=unlooked_for,
        late=None,
    ),
]

# -- where redis-py protects, too: an exception inside send, recv or the parser -----------------

STRUCK = [
    Row(
        name=f"struck: {place}",
        how=f"a timeout or signal strikes inside {place}",
        dirty=dirty,
        sees="its own reply: redis-py closes the connection",
        ours=CLOSED,
        plain=nowhere,
    )
    for place, dirty in (
        ("send", dirt.interrupted_in_send),
        ("recv", interrupted(dirt.in_recv, *ECHO)),
        ("parser", interrupted(dirt.in_the_parser, *ECHO)),
    )
]

# -- and a task is struck where it waits, and nowhere else -------------------------------------

CANCELLED = [
    Row(
        name=f"cancelled: {name}",
        how="its task is cancelled between send and read",
        dirty=cancelled(use),
        sees="its own reply: redis-py closes the connection",
        ours=CLOSED,
        plain=nowhere,
        ways=BY_CLIENT,
    )
    for name, use in (
        ("command", lambda client: client.echo(SECRET)),
        ("option", lambda client: client.execute_command("ECHO", SECRET, NEVER_DECODE=True)),
        ("blocking command", lambda client: client.blpop("nothing", 0)),
        ("pipeline", lambda client: client.pipeline(transaction=False).echo(SECRET).execute()),
        ("transaction", lambda client: client.pipeline().echo(SECRET).execute()),
        ("WATCH", dirt.watches),
        ("script", lambda client: client.register_script(dirt.RETURN_SECRET)()),
        ("lock", lambda client: dirt.new_lock(client).acquire()),
    )
]

# -- what commands leave behind on the server ------------------------------------------------


def _state(name: str, *command: Any, sees: str, probe: dirt.Probe, **more: Any) -> Row:
    defaults = {
        "how": " ".join(str(word) for word in command),
        "dirty": does(command),
        "ours": f"left in {name.partition(':')[0]}",
    }
    return Row(name=name, sees=sees, probe=probe, **(defaults | more))


def _transaction(name: str, how: str, dirty: dirt.Dirty, **more: Any) -> Row:
    is_watch = name.startswith("WATCH")
    defaults = {
        "sees": "EXEC does nothing" if is_watch else "QUEUED, and what it writes is lost",
        "probe": dirt.transaction if is_watch else dirt.own_reply,
        "clean": [True] if is_watch else b"mine",
        "leaked": "WatchError" if is_watch else b"QUEUED",
        "ours": f"left in {name.partition(':')[0]}",
    }
    return Row(name=name, how=how, dirty=dirty, **(defaults | more))


WATCH, MULTI = ("WATCH", "watched"), ("MULTI",)
PUSH = ("LPUSH", "text", 1)  # refused: it is no list

TRANSACTIONS = [
    _transaction("WATCH", "WATCH k", does(WATCH)),
    _transaction(
        "WATCH: in a pipeline",
        "a pipeline with `watch` in lower case",
        queues(("watch", "watched"), ("PING",), transaction=False),
        ways=BY_CLIENT,
    ),
    _transaction(
        "WATCH: before an error",
        "one write: WATCH k, and a command that is refused",
        packs(WATCH, PUSH),
    ),
    _transaction(
        "WATCH: UNWATCH refused",
        "one write: WATCH k, UNWATCH with an argument too many",
        packs(WATCH, ("UNWATCH", "x")),
    ),
    _transaction(
        "WATCH: one of two refused",
        "one write: WATCH without a key, WATCH k",
        packs(("WATCH",), WATCH),
    ),
    _transaction("MULTI", "MULTI", does(MULTI)),
    _transaction(
        "MULTI: in a pipeline",
        "a pipeline with MULTI and no EXEC",
        queues(("PING",), MULTI, transaction=False),
        ways=BY_CLIENT,
    ),
    _transaction(
        "MULTI: DISCARD refused",
        "one write: MULTI, DISCARD with an argument too many",
        packs(MULTI, ("DISCARD", "x")),
    ),
]


def _select(name: str, how: str, dirty: dirt.Dirty, **more: Any) -> Row:
    defaults = {"ours": "left in SELECT", "leaked": 3}
    return Row(
        name=f"SELECT: {name}",
        how=how,
        dirty=dirty,
        sees="database 3",
        probe=dirt.database,
        clean=0,
        **(defaults | more),
    )


SELECTS = [
    _select("command", "SELECT 3", does(("SELECT", 3))),
    *(
        _select(f"as {spelled!r}", f"execute_command{spelled!r}", does(spelled), near_only=True)
        for spelled in (
            ("select", "3"),
            ("SeLeCt", 3),
            (b"SELECT", b"3"),
            ("SELECT 3",),
            (b" select  3 ",),
        )
    ),
    _select("pipeline", "in a pipeline", queues(("SELECT", 3), transaction=False), ways=BY_CLIENT),
    _select(
        "transaction", "in a transaction", queues(("SELECT", 3), transaction=True), ways=BY_CLIENT
    ),
    _select("client.client()", "on client.client()", dirt.pins, ways=BY_CLIENT),
    _select(
        "bytes",
        "send_packed_command with bytes",
        dirt.sends_bytes,
        ours="left in bytes packed elsewhere",
    ),
    _select(
        "bytes, after packing",
        "the same, after pack_command() of something that is never sent",
        dirt.sends_bytes_after_packing,
        ours="left in bytes packed elsewhere",
    ),
    _select("pack_command", "send_packed_command of pack_command", packs(("SELECT", 3))),
    _select(
        "script",
        "redis.call('SELECT', 3) in a script: it ends with the script",
        dirt.evaluates("redis.call('SELECT', 3)"),
        ours=KEPT,
        plain=nowhere,
    ),
]

SUBSCRIPTIONS = [
    Row(
        name=command,
        how=f"{command} on a connection",
        dirty=dirt.subscribes(command, "news"),
        sees="an error (RESP2); messages for nobody (RESP3)",
        probe=dirt.channels,
        clean=0,
        leaked={2: "ResponseError", 3: 1},
        ours=f"left in {command}",
        since=since,
    )
    for command, since in (("SUBSCRIBE", (6, 2)), ("PSUBSCRIBE", (6, 2)), ("SSUBSCRIBE", (7, 0)))
] + [
    Row(
        name="SUBSCRIBE: pubsub()",
        how="client.pubsub(), closed while subscribed",
        dirty=dirt.listens,
        sees="nothing of it: PubSub closes its connection",
        probe=dirt.channels,
        clean=0,
        ours=CLOSED,
        plain=nowhere,
        ways=BY_CLIENT,
    ),
    _state(
        "MONITOR",
        "MONITOR",
        sees="other clients' commands, values included",
        probe=dirt.anything_else,
        leaked="something else",
        plain=unseen,
        late="traffic",
    ),
    Row(
        name="MONITOR: monitor()",
        how="client.monitor(), left while it runs",
        dirty=dirt.monitors,
        sees="nothing of it: Monitor closes its connection",
        ours=CLOSED,
        plain=nowhere,
        ways=BY_CLIENT,
    ),
]

_FLAGGED = {"probe": dirt.flags, "clean": "N"}

STATES = [
    *(
        Row(
            name=f"CLIENT REPLY {mode}",
            how=f"CLIENT REPLY {mode} sent on a connection",
            dirty=sends("CLIENT", "REPLY", mode),
            sees="no reply: it waits for socket_timeout",
            leaked="TimeoutError",
            ours="unread reply",
            hangs=True,
        )
        for mode in ("OFF", "SKIP")
    ),
    _state(
        "CLIENT SETNAME",
        "CLIENT",
        "SETNAME",
        "alice",
        sees="the first one's name",
        probe=dirt.name,
        clean="",
        leaked="alice",
    ),
    _state(
        "CLIENT SETNAME: one text",
        "client setname alice",
        sees="the first one's name",
        probe=dirt.name,
        clean="",
        leaked="alice",
    ),
    _state(
        "CLIENT NO-EVICT",
        "CLIENT",
        "NO-EVICT",
        "ON",
        sees="its connection is never evicted",
        leaked="e",
        since=(7, 0),
        **_FLAGGED,
    ),
    _state(
        "CLIENT NO-TOUCH",
        "CLIENT",
        "NO-TOUCH",
        "ON",
        sees="what it reads counts as unused",
        leaked="T",
        since=(7, 2),
        **_FLAGGED,
    ),
    _state(
        "CLIENT TRACKING",
        "CLIENT",
        "TRACKING",
        "ON",
        sees="invalidation messages",
        leaked="t",
        **_FLAGGED,
    ),
    _state(
        "CLIENT TRACKING: BCAST",
        "CLIENT",
        "TRACKING",
        "ON",
        "BCAST",
        sees="invalidation messages of all keys",
        leaked="tB",
        **_FLAGGED,
    ),
    _state(
        "AUTH",
        "AUTH",
        "alice",
        "secret",
        sees="it runs as another ACL user",
        probe=dirt.user,
        clean="default",
        leaked="alice",
    ),
    _state(
        "AUTH: in HELLO",
        "HELLO 3 AUTH alice secret",
        sees="it runs as another ACL user",
        probe=dirt.user,
        clean="default",
        leaked="alice",
        ours="left in HELLO",
    ),
    _state(
        "HELLO: 2",
        "HELLO",
        2,
        sees="replies of the wrong type",
        probe=dirt.mapping,
        clean={b"field": b"value"},
        leaked=[b"field", b"value"],
        plain=on_resp3,
    ),
    _state(
        "HELLO: 3",
        "HELLO",
        3,
        sees="{} for a hash that is not empty",
        probe=dirt.mapping,
        clean={b"field": b"value"},
        leaked={2: {}},
        plain=on_resp2,
    ),
    _state(
        "RESET",
        "RESET",
        sees="database 0, no user, no name, RESP2",
        probe=dirt.database,
        clean=2,
        leaked=0,
        options={"db": 2},
    ),
    Row(
        name="QUIT",
        how="QUIT",
        dirty=dirt.quits,
        sees="its own reply: the end of the stream is seen at checkout",
        ours="left in QUIT",
        plain=nowhere,
    ),
    _state(
        "READONLY",
        "READONLY",
        sees="a replica's stale reads",
        leaked="r",
        server="cluster",
        **_FLAGGED,
    ),
    _state(
        "ASKING",
        "ASKING",
        sees="a key that this node does not serve yet",
        probe=dirt.imported_key,
        clean="MovedError",
        leaked=None,
        server="cluster",
    ),
    _state(
        "SCRIPT DEBUG",
        "SCRIPT",
        "DEBUG",
        "YES",
        sees="a debugger in place of its script's result",
        probe=dirt.script,
        clean=1,
        leaked="a debugger's session",
    ),
]

# -- nothing is left, and the connection goes on --------------------------------------------

KEEPERS = [
    Row(
        name=f"kept: {name}",
        how="uses it, and leaves nothing behind",
        dirty=dirty,
        sees="its own reply, on the same connection",
        ours=KEPT,
        plain=nowhere,
        ways=ways,
    )
    for name, dirty, ways in (
        ("commands", does(("SET", "k", 1), ("GET", "k"), ("CLIENT", "ID")), EVERY_WAY),
        ("error reply", dirt.is_refused(PUSH), EVERY_WAY),
        ("refused WATCH", dirt.is_refused(("WATCH",)), EVERY_WAY),
        ("WATCH, UNWATCH", does(WATCH, ("UNWATCH",)), HELD),
        ("WATCH, MULTI, EXEC", does(WATCH, MULTI, ("PING",), ("EXEC",)), HELD),
        ("MULTI, DISCARD", does(MULTI, ("DISCARD",)), HELD),
        ("refused EXEC", packs(WATCH, MULTI, ("SET", "k"), ("EXEC",)), EVERY_WAY),
        ("pipeline", queues(("PING",), ("PING",), transaction=False), BY_CLIENT),
        ("transaction", dirt.transacts, BY_CLIENT),
        ("reset pipeline", dirt.abandons_a_watch, BY_CLIENT),
        ("refused transaction", dirt.is_refused(("SET", "k"), transaction=True), BY_CLIENT),
        ("lock", dirt.locks, BY_CLIENT),
        ("script", dirt.evaluates("return redis.call('SET', 'k', 1)"), EVERY_WAY),
        (
            "raising callback, command",
            callback_raises(lambda client: client.echo(SECRET), Interrupt),
            BY_CLIENT,
        ),
        (
            "raising callback, transaction",
            callback_raises(
                lambda client: client.pipeline().echo("a").echo(SECRET).execute(), ValueError
            ),
            BY_CLIENT,
        ),
    )
]

_STATES = [*TRANSACTIONS, *SELECTS, *SUBSCRIPTIONS, *STATES]

ROWS = [*UNREAD, *STRUCK, *_STATES, *KEEPERS]
ROWS_OF_TASKS = [*UNREAD, *CANCELLED, *_STATES, *KEEPERS]
