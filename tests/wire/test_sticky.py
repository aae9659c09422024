"""Which commands leave state on a connection, in every spelling that redis-py sends."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_pool_ext.wire import sticky
from redis_pool_ext.wire.sticky import STREAMING, Effect, effect, name_of


@pytest.fixture(autouse=True)
def _nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin with an empty memory of spellings."""
    monkeypatch.setattr(sticky, "_known", {})


class Command(str, Enum):  # noqa: UP042  as projects wrote it before Python 3.11
    """A project's own names for commands; `str(Command.PLAIN)` is "Command.PLAIN"."""

    SELECT = "SELECT"
    PLAIN = "select"


EFFECTS = [
    (("GET", "k"), Effect.NONE),
    (("SET", "SELECT", "MULTI"), Effect.NONE),
    (("XREAD", "BLOCK", "0"), Effect.BLOCK),
    (("BLPOP", "k", "0"), Effect.BLOCK),
    (("SCRIPT", "LOAD", "return 1"), Effect.NONE),
    (("CLIENT", "ID"), Effect.NONE),
    (("CLIENT", "LIST"), Effect.NONE),
    (("CLIENT", "SETNAME", "x"), Effect.MARK),
    (("CLIENT", "REPLY", "OFF"), Effect.MARK),
    (("CLIENT", "TRACKING", "ON"), Effect.MARK),
    (("CLIENT", "NO-EVICT", "ON"), Effect.MARK),
    (("CLIENT", "INVENTED", "x"), Effect.MARK),
    (("CLIENT",), Effect.MARK),
    (("SCRIPT", "DEBUG", "YES"), Effect.MARK),
    (("SELECT", "3"), Effect.MARK),
    (("AUTH", "p"), Effect.MARK),
    (("HELLO", "2"), Effect.MARK),
    (("RESET",), Effect.MARK),
    (("QUIT",), Effect.MARK),
    (("READONLY",), Effect.MARK),
    (("ASKING",), Effect.MARK),
    (("SUBSCRIBE", "c"), Effect.MARK),
    (("UNSUBSCRIBE",), Effect.MARK),
    (("MONITOR",), Effect.MARK),
    (("MULTI",), Effect.MULTI),
    (("EXEC",), Effect.EXEC),
    (("DISCARD",), Effect.EXEC),
    (("WATCH", "k"), Effect.WATCH),
    (("UNWATCH",), Effect.UNWATCH),
    ((), Effect.NONE),
    (("",), Effect.NONE),
    (("   ",), Effect.NONE),
]

Spelling = Callable[[tuple[str, ...]], tuple[Any, ...]]

SPELLINGS: dict[str, Spelling] = {
    "upper": lambda args: args,
    "lower": lambda args: tuple(word.lower() for word in args),
    "mixed": lambda args: tuple(word.swapcase()[:1] + word[1:] for word in args),
    "bytes": lambda args: tuple(word.encode() for word in args),
    "lower bytes": lambda args: tuple(word.lower().encode() for word in args),
    "bytearray": lambda args: tuple(bytearray(word.encode()) for word in args),
    "memoryview": lambda args: tuple(memoryview(word.encode()) for word in args),
    "writable memoryview": lambda args: tuple(memoryview(bytearray(w.encode())) for w in args),
    "joined": lambda args: (" ".join(args),),
    "joined in lower bytes": lambda args: ("  ".join(args).lower().encode(),),
    "first two joined": lambda args: (" ".join(args[:2]), *args[2:]),
}


class TestEffect:
    """What a command does to its connection."""

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize(("args", "expected"), EFFECTS, ids=str)
    def test_command_has_its_effect_however_it_is_spelled(
        self, args: tuple[str, ...], expected: Effect, spelling: str
    ):
        """Text or bytes, any case, in one argument or in several, first time and later."""
        spelled = SPELLINGS[spelling](args) if args else ()

        assert [effect(spelled), effect(spelled)] == [expected, expected]

    @given(
        st.sampled_from([args for args, _ in EFFECTS if args]),
        st.lists(st.sampled_from(sorted(SPELLINGS)), min_size=2),
    )
    def test_spelling_seen_before_does_not_change_the_next(
        self, args: tuple[str, ...], spellings: list[str]
    ):
        """What was learned from one spelling holds for all of them."""
        assert len({effect(SPELLINGS[spelling](args)) for spelling in spellings}) == 1

    @pytest.mark.parametrize(
        ("sticky_args", "harmless_args"),
        [(("CLIENT", "SETNAME", "x"), ("CLIENT", "ID")), (("SCRIPT", "DEBUG"), ("SCRIPT", "LOAD"))],
    )
    def test_second_word_decides_each_time(
        self, sticky_args: tuple[str, ...], harmless_args: tuple[str, ...]
    ):
        """One CLIENT command teaches nothing about the next."""
        seen = [effect(sticky_args), effect(harmless_args), effect(sticky_args)]

        assert seen == [Effect.MARK, Effect.NONE, Effect.MARK]

    @pytest.mark.parametrize("member", Command)
    def test_enum_member_counts_as_the_text_that_is_sent(self, member: Command):
        """redis-py sends the member's value, and a plain text learns nothing wrong from it."""
        assert effect((member, "3")) is Effect.MARK
        assert effect((member.value, "3")) is Effect.MARK

    def test_what_is_no_text_is_no_sticky_command(self):
        """redis-py's packer has the last word on it."""
        assert effect((5, "SELECT")) is Effect.NONE

    def test_every_streaming_command_is_sticky(self):
        """After these, replies and requests do not pair up."""
        assert {effect((command,)) for command in STREAMING} == {Effect.MARK}

    def test_memory_of_spellings_is_bounded(self, monkeypatch: pytest.MonkeyPatch):
        """Command names made of user input cannot fill the memory; they are judged anew."""
        monkeypatch.setattr(sticky, "_KNOWN_MAX", 2)
        for number in range(10):
            effect((f"GET{number}",))

        assert len(sticky._known) == 2
        assert effect(("SELECT", "1")) is Effect.MARK


class TestName:
    """The name that marks a connection, and that a warning shows."""

    @pytest.mark.parametrize(
        ("args", "name"),
        [
            (("select", 3), "SELECT"),
            ((b"client", b"setname", "x"), "CLIENT SETNAME"),
            (("CLIENT SETNAME", "x"), "CLIENT SETNAME"),
            (("client setname x",), "CLIENT SETNAME"),
            (("script", "debug", "yes"), "SCRIPT DEBUG"),
            (("CLIENT",), "CLIENT"),
            (("WATCH key",), "WATCH"),
            (("SUBSCRIBE channel",), "SUBSCRIBE"),
            (("AUTH hunter2",), "AUTH"),
            (("AUTH", "hunter2"), "AUTH"),
            (("HELLO 3 AUTH user hunter2",), "HELLO"),
        ],
    )
    def test_name_is_the_command_and_nothing_else(self, args: tuple[Any, ...], name: str):
        """No key, no channel and no password is in a name, even where all is one text."""
        assert name_of(args) == name
