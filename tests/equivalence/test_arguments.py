"""Arguments of all kinds are packed into the same bytes, or refused with the same error."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest
import redis
from redis.connection import Encoder, PythonRespSerializer

from .pairs import pair
from .recorder import assert_same
from .test_wire import talk


class Text(str):
    """Text of another class."""

    __slots__ = ()


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    HELLO = "hello"


class Other(Enum):
    HELLO = "hello"


ARGUMENTS: dict[str, Any] = {
    "text": "hello",
    "empty text": "",
    "text with spaces": "a b\r\nc",
    "non-ASCII": "naïve ✓ 🎉",
    "lone surrogate": "\udc80",
    "text of another class": Text("hello"),
    "bytes": b"\x00\xff\r\n",
    "empty bytes": b"",
    "bytearray": bytearray(b"abc"),
    "memoryview": memoryview(b"abc"),
    "part of a memoryview": memoryview(b"abcdef")[::2],
    "number": 42,
    "negative": -1,
    "large number": 2**80,
    "float": 1.5,
    "small float": 1e-9,
    "large float": 1e300,
    "inf": float("inf"),
    "nan": float("nan"),
    "enum of numbers": Number.SEVEN,
    "enum of texts": Word.HELLO,
    "other enum": Other.HELLO,
    "True": True,
    "False": False,
    "None": None,
    "list": ["a"],
    "tuple": ("a",),
    "dict": {"a": 1},
    "object": object(),
    "just below the cut-off": "x" * 5_990,
    "above the cut-off": "x" * 6_001,
    "large": b"x" * 1_000_000,
    "large memoryview": memoryview(bytearray(100_000)),
}
NAMES: dict[str, tuple[Any, ...]] = {
    "none": (),
    "empty": ("",),
    "empty bytes": (b"",),
    "blank": ("  ",),
    "lower case": ("get", "k"),
    "bytes": (b"GET", b"k"),
    "two words": ("CONFIG GET", "timeout"),
    "two words as bytes": (b"CONFIG GET", "timeout"),
    "lower case in two words": ("client info",),
    "three words": ("CLIENT  LIST TYPE", "normal"),
    "of another class": (Text("GET"), "k"),
    "enum": (Word.HELLO, "k"),
    "number": (1, "k"),
    "None": (None, "k"),
    "memoryview": (memoryview(b"GET"), "k"),
    "bytearray": (bytearray(b"GET"), "k"),
    "non-ASCII": ("GÉT", "k"),
    "list": (["GET"], "k"),
    "keys option": ("GET", "k"),
}


def options(packer: str) -> dict[str, Any]:
    if packer == "hiredis":
        return {}
    encoder = Encoder(encoding="utf-8", encoding_errors="strict", decode_responses=False)
    return {"command_packer": PythonRespSerializer(6000, encoder.encode)}


@pytest.mark.parametrize("packer", ["hiredis", "python"])
def test_arguments_are_sent_as_the_same_bytes(stub, packer):
    """By both packers; what is refused leaves nothing on the wire, and a client that works."""

    def calls(r):
        for argument in ARGUMENTS.values():
            r.execute_command("SET", "k", argument)
            r.execute_command("MSET", argument, 1, "k", argument)
            r.set("k", argument)
            r.get(argument)

    with pair(stub.url, protocol=2, **options(packer)) as (ours, theirs):
        assert_same(talk(stub, ours, calls), talk(stub, theirs, calls))


@pytest.mark.parametrize("packer", ["hiredis", "python"])
def test_command_names_are_sent_as_the_same_bytes(stub, packer):
    """In all spellings; those that are none are refused alike."""

    def calls(r):
        r.ping()  # for a command without a name a lease takes a connection, redis-py does not
        for words in NAMES.values():
            r.execute_command(*words)
            r.execute_command(*words, keys=["k"], NEVER_DECODE=True)

    with pair(stub.url, protocol=2, **options(packer)) as (ours, theirs):
        assert_same(talk(stub, ours, calls), talk(stub, theirs, calls))


def test_refused_argument_leaves_the_lease_as_it_was(stub):
    """Nothing is sent, nothing is owed, and the connection goes back clean."""
    with pair(stub.url, protocol=2) as (ours, _):
        pool = ours.connection_pool.pool
        ours.ping()
        stub.forget()
        with pytest.raises(redis.DataError):
            ours.set("k", None)
        with pytest.raises(redis.DataError):
            ours.pipeline(transaction=False).set("k", 1).set("k", True).execute()
        assert stub.received == []
        assert ours.execute_command("ECHO") == b"OK"
        ours.release()

        stats = pool.stats()
        assert (stats.idle, stats.created, stats.discarded) == (1, 1, {})


def test_name_that_cannot_be_packed_leaves_the_lease_as_it_was(stub):
    """Also where it fails before a connection was ever taken."""
    with pair(stub.url, protocol=2) as (ours, _):
        with pytest.raises(TypeError):
            ours.execute_command(None, "k")
        with pytest.raises(IndexError):
            ours.execute_command()
        assert ours.execute_command("ECHO") == b"OK"
        ours.release()
        assert ours.connection_pool.pool.stats().idle == 1
