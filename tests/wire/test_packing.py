"""Packing: the same bytes as redis-py's, or none of the short way's business."""

from __future__ import annotations

import enum
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import HiredisRespSerializer

from redis_pool_ext import RedisPool
from redis_pool_ext.wire import packing
from redis_pool_ext.wire.packing import NumbersAsText, pack_ordinary


def named(value: object) -> str:
    """Name a value the same way in each process: without the address that a repr may have."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


class Colour(enum.IntEnum):
    """A number that is more than a number."""

    RED = 1


class Word(enum.StrEnum):
    """A text that is more than a text."""

    GET = "GET"


class Ratio(float):
    """A float of a program's own."""


class Blob(bytes):
    """Bytes of a program's own."""


def packed_by_redis_py(command: tuple[Any, ...]) -> bytes:
    return b"".join(HiredisRespSerializer().pack(*command))


@pytest.fixture(autouse=True)
def _words_of_a_new_process(monkeypatch):
    """Let no test learn from another one, nor leave what it has learned."""
    monkeypatch.setattr(packing, "_words", {})


class TestNumbersAsText:
    """The serializer in front of redis-py's."""

    @pytest.mark.parametrize(
        "command",
        [
            ("SET", "k", 1),
            ("SET", b"k", -1.5, "PX", 10**20),
            ("SET", "k", 1e300),
            ("CONFIG GET", "x"),
            ("ECHO", "é"),
        ],
        ids=named,
    )
    def test_numbers_as_text_are_the_same_bytes(self, command):
        """What goes over the wire is what redis-py sends."""
        plain = HiredisRespSerializer()

        assert NumbersAsText(plain).pack(*command) == plain.pack(*command)

    @pytest.mark.parametrize("value", [True, Colour.RED, None])
    def test_what_redis_py_refuses_is_refused(self, value):
        """A truth value or an enum is most likely a mistake."""
        with pytest.raises(redis.DataError):
            NumbersAsText(HiredisRespSerializer()).pack("SET", "k", value)

    def test_hiredis_never_sees_a_number(self):
        """It would run signal handlers while it turns one into text."""
        seen: list[Any] = []

        class Serializer:
            def pack(self, *args):
                seen.extend(args)

        NumbersAsText(Serializer()).pack("SET", "k", 1, 2.5, -3)

        assert seen == ["SET", "k", "1", "2.5", "-3"]


NAMES = ("GET", "SET", "HSET", "CONFIG GET", "CLIENT ID", "SCRIPT LOAD", "FT.SEARCH", " GET ")
texts = st.text(st.characters(exclude_categories=["Cs"]))
arguments = st.one_of(texts, st.binary(), st.integers(), st.floats())
names = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.sampled_from("ABCXYZ019._ -"), min_size=1).map(lambda name: f"X{name}"),
)


class TestPackOrdinary:
    """What may go the short way."""

    @given(name=names, args=st.lists(arguments, max_size=6))
    def test_ordinary_command_is_packed_as_redis_py_does(self, name, args):
        """Whatever text, bytes and numbers there are in it, and in whichever order."""
        command = (name, *args)

        assert pack_ordinary(command) == packed_by_redis_py(command)

    @pytest.mark.parametrize(
        "value",
        [
            True,
            None,
            memoryview(b"x"),
            bytearray(b"x"),
            Colour.RED,
            Word.GET,
            Ratio(1.5),
            Blob(b"x"),
            "\ud800",
            object(),
            ["x"],
        ],
        ids=named,
    )
    @pytest.mark.parametrize("before", [(), (1,)], ids=["alone", "behind a number"])
    def test_unusual_argument_is_left_to_redis_py(self, value, before):
        """It converts or refuses these, and its word is the one that counts."""
        assert pack_ordinary(("SET", "k", *before, value)) is None
        assert pack_ordinary(("SET", "k", *before, "v")) is not None

    @pytest.mark.parametrize(
        "name",
        [
            *("get", "Get", "set k", "sELECT"),
            *("CLIENT", "SCRIPT", " CLIENT", "SCRIPT\t", "HIMPORT", "HIMPORT SET"),
            *("", " ", "\ud800", "É"),
            *(b"GET", bytearray(b"GET"), memoryview(b"GET"), Word.GET, 1, 1.5, True, None),
            *(("GET",), ["GET"], {}),
        ],
        ids=named,
    )
    def test_unusual_name_is_left_to_redis_py(self, name):
        """In another case, incomplete, empty, of another type, or rewritten by redis-py."""
        assert pack_ordinary((name, "x")) is None
        assert pack_ordinary((name, "x")) is None  # nor when it was seen before

    @pytest.mark.parametrize(
        "name",
        ["SELECT", "MULTI", "WATCH", "BLPOP", "SUBSCRIBE", "CLIENT REPLY", "SCRIPT DEBUG", "NEW 1"],
    )
    def test_command_that_leaves_or_waits_for_something_is_not_ordinary(self, name):
        """Only what is known to leave nothing behind is; an unknown command is as well."""
        is_ordinary = pack_ordinary((name, "x")) is not None

        assert is_ordinary is (name == "NEW 1")

    def test_name_in_another_type_is_not_ordinary_because_its_text_was(self):
        """A member of an enum equals its text, and is found under it."""
        assert pack_ordinary(("GET", "k"))

        assert pack_ordinary((Word.GET, "k")) is None

    def test_nothing_is_left_to_redis_py(self):
        """A command without a name."""
        assert pack_ordinary(()) is None

    def test_number_too_long_for_text_is_an_error_and_no_crash(self):
        """Python refuses to write it, and hiredis would not notice."""
        with pytest.raises(ValueError, match="4300 digits"):
            pack_ordinary(("SET", "k", 10**5000))

    def test_without_hiredis_no_command_is_ordinary(self, monkeypatch):
        """It is hiredis that makes the short way short."""
        monkeypatch.setattr(packing, "_hiredis", None)

        assert pack_ordinary(("GET", "k")) is None

    def test_what_it_remembers_is_bounded(self):
        """A program that puts data into names costs no memory, and still has the long way."""
        assert pack_ordinary(("GET", "k"))
        made_up = [f"GET {number}" for number in range(packing._WORDS_MAX + 10)]
        for name in made_up:
            pack_ordinary((name,))

        assert len(packing._words) == packing._WORDS_MAX
        assert pack_ordinary(("GET", "k")) == packed_by_redis_py(("GET", "k"))
        assert pack_ordinary((made_up[0],)) is not None
        assert pack_ordinary((made_up[-1],)) is None

    def test_what_is_no_text_is_not_remembered(self):
        """Numbers and bytes as names would fill it with data."""
        for name in (b"GET", 1, 1.5, None):
            pack_ordinary((name,))

        assert packing._words == {}


def test_command_in_two_words_keeps_its_mark_however_it_is_spelt(url):
    """The debugger is on, in whichever way it was asked for."""
    with RedisPool.from_url(url) as pool, pool.lease() as client:
        client.execute_command("SCRIPT ", "DEBUG", "YES")
        [connection] = client.connection_pool.held

        assert connection.marks == {"SCRIPT DEBUG"}
