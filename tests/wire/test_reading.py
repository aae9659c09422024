"""The commands that only read, against what a server says of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from redis_pool_ext.wire.reading import PAGES, READING, is_read, whole_name

# What a server calls `readonly`, and who asks for it is not to be given a default.
NOT_FOR_DEFAULTS = {
    "TOUCH": "is sent for its effect",
    "LOLWUT": "reads nothing that anybody has stored",
    "CLUSTERSCAN": "answers with a page of a kind that redis-py does not know",
    "HOST:": "is no command: a guard against HTTP",
    "POST": "is no command: a guard against HTTP",
}


def described(entries: list[Any]) -> Iterator[tuple[str, set[str], bool]]:
    """Yield each command's name, its flags, and whether it is but the first of two words."""
    for entry in entries:
        subcommands = entry[9] if len(entry) > 9 else []
        flags = {flag.decode() for flag in entry[2]}
        yield entry[0].decode().upper().replace("|", " "), flags, bool(subcommands)
        yield from described(subcommands)


@pytest.fixture
def commands(admin: redis.Redis) -> list[tuple[str, set[str], bool]]:
    """What the server's COMMAND says, unparsed."""
    connection = admin.connection_pool.get_connection()
    connection.send_command("COMMAND")
    found = list(described(connection.read_response()))
    admin.connection_pool.release(connection)
    assert len(found) > 200
    return found


def is_listed(name: str) -> bool:
    # Redis 6.2 tells of containers (OBJECT), and not of what is in them.
    return name in READING or any(each.startswith(f"{name} ") for each in READING)


def test_every_command_that_a_server_calls_readonly_is_listed(commands):
    """Or there is a reason why it is not."""
    readonly = {name for name, flags, _ in commands if "readonly" in flags}
    assert len(readonly) > 70
    missing = {name for name in readonly if not is_listed(name)}
    assert missing <= NOT_FOR_DEFAULTS.keys(), missing - NOT_FOR_DEFAULTS.keys()


def test_no_command_that_a_server_calls_writing_is_listed(commands):
    """Nor one that it calls neither: it may do anything."""
    others = {
        name for name, flags, is_container in commands
        if "readonly" not in flags and not is_container
    }  # fmt: skip
    assert {"SET", "EVAL", "PUBLISH", "GETEX", "SORT"} <= others
    assert READING & others == set()


def test_command_is_known_however_it_is_written():
    """As redis-py's methods write it, in one text or two, in bytes and in small letters."""
    assert is_read(("GET", "key"))
    assert is_read((b"hgetall", "key"))
    assert is_read(("OBJECT", "encoding", "key"))
    assert is_read(("XINFO STREAM", "key"))
    assert is_read((" get ", "key"))


@pytest.mark.parametrize(
    "args",
    [("SET", "k", "GET"), ("OBJECT HELP",), ("XINFO",), ("MEMORY", "PURGE"), ("PING",), (), ("",),
     ("EVAL", "return 1", 0), ("GETDEL", "k"), ("JSON.SET", "k"), (7,)],
)  # fmt: skip
def test_whatever_else_is_taken_for_a_write(args):
    """What is not known to read is nothing to go on without."""
    assert not is_read(args)


def test_name_has_no_data_in_it():
    """It is logged."""
    assert whole_name(("GET", "secret")) == "GET"
    assert whole_name(("AUTH secret",)) == "AUTH"
    assert whole_name(("OBJECT", "FREQ", "secret")) == "OBJECT FREQ"


def test_pages_are_reads():
    """They have a shape of their own."""
    assert PAGES < READING
