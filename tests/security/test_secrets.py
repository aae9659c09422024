"""No password, token, user name or path of a key in what is said of any failure."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from redis_pool_ext import ConfigError
from redis_pool_ext.books.circuit import FAILURES_TO_OPEN
from redis_pool_ext.books.verdict import without_secrets
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.certificates import authority_file, encrypted, paper, self_signed
from ..support.proxy import FaultyProxy
from .conftest import Serve
from .sides import Side
from .test_rotation import Streaming
from .test_tls import OF_TASKS, RedisThatSays

USER, PASSWORD, TOKEN = "us3r-name", "p4ssw0rd", "t0ken-1"
KEY_PASSWORD = "k3y-passw0rd"
WHO = f"{USER}:{PASSWORD}@"
SETTINGS: dict[str, Any] = {"timeout": 0.5}
TRUST = {"ssl_ca_certs": authority_file}

# Given servers to start, returns an address, and settings beside it.
Case = Callable[["Place"], tuple[str, dict[str, Any]]]


class Place:
    """Where a case finds what it needs; all of it ends with the test."""

    def __init__(self, stack: ExitStack, serve: Serve, server: EmbeddedRedis, admin: Any) -> None:
        self._stack = stack
        self.serve = serve
        self.server = server
        self.admin = admin

    def enter(self, context: Any) -> Any:
        return self._stack.enter_context(context)


@pytest.fixture
def place(serve: Serve, redis_server: EmbeddedRedis, admin: redis.Redis) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(stack, serve, redis_server, admin)


def tls(**server: Any) -> Case:
    def case(place: Place) -> tuple[str, dict[str, Any]]:
        made = {name: value() for name, value in server.items()}
        port = place.serve(**made)
        return f"rediss://{WHO}localhost:{port}/0", {"ssl_ca_certs": authority_file()}

    return case


def our_key(place: Place) -> tuple[str, dict[str, Any]]:
    """A key that its password does not open."""
    ours = paper("client", by="clients")
    settings = {
        "ssl_certfile": ours.certificate,
        "ssl_keyfile": encrypted(ours.key, "another one"),
        "ssl_password": KEY_PASSWORD,
    }
    if "ssl_password" not in OF_TASKS:  # redis-py before 7
        del settings["ssl_password"]
    return f"rediss://{WHO}localhost:1/0", settings


def missing_key(place: Place) -> tuple[str, dict[str, Any]]:
    ours = paper("client", by="clients")
    settings = {"ssl_certfile": ours.certificate, "ssl_keyfile": "/path/to/our.key"}
    return f"rediss://{WHO}localhost:1/0", settings


def silence(place: Place) -> tuple[str, dict[str, Any]]:
    proxy = place.enter(FaultyProxy(place.server.port))
    proxy.swallow()
    return f"rediss://{WHO}localhost:{proxy.port}/0", {}


def says(words: bytes, *, protocol: int) -> Case:
    def case(place: Place) -> tuple[str, dict[str, Any]]:
        port = place.enter(RedisThatSays(words))
        return f"redis://{WHO}127.0.0.1:{port}/0", {"protocol": protocol}

    return case


def quoting(place: Place) -> tuple[str, dict[str, Any]]:
    """A server that quotes what a function has said."""
    port = place.enter(RedisThatSays(f"-ERR what is {TOKEN}?\r\n".encode()))
    return f"redis://127.0.0.1:{port}/0", {"password": lambda: TOKEN, "username": USER}


def unwilling(place: Place) -> tuple[str, dict[str, Any]]:
    def raising() -> str:
        raise KeyError(TOKEN)

    return place.server.url, {"password": raising, "username": USER}


def old_token(place: Place) -> tuple[str, dict[str, Any]]:
    tokens = Streaming(place.admin)
    place.admin.acl_deluser("app")
    return place.server.url, {"credential_provider": tokens}


CASES: dict[str, Case] = {
    "server down": lambda place: (f"redis://{WHO}127.0.0.1:1/0", {}),
    "no such name": lambda place: (f"redis://{WHO}no-such-name.invalid:1/0", {}),
    "no such socket": lambda place: (f"unix://{WHO}/nowhere/redis.sock", {}),
    "self-signed": tls(shown=lambda: self_signed("localhost")),
    "wrong authority": tls(shown=lambda: paper("localhost", by="others")),
    "wrong name": tls(shown=lambda: paper("elsewhere")),
    "expired": tls(shown=lambda: paper("localhost", days=(-9, -2))),
    "no certificate of ours": tls(asks=lambda: "clients"),
    "wrong password under TLS": tls(),
    "no TLS there": lambda place: (f"rediss://{WHO}localhost:{place.server.port}/0", {}),
    "TLS there": lambda place: (f"redis://{WHO}localhost:{place.serve()}/0", {}),
    "key not opened": our_key,
    "key missing": missing_key,
    "silence": silence,
    "wrong password": lambda place: (f"redis://{WHO}127.0.0.1:{place.server.port}/0", {}),
    "HELLO unknown": says(
        b"-ERR unknown command `HELLO`, with args beginning with: `3` `AUTH` `us3r-name` "
        b"`p4ssw0rd`\r\n",
        protocol=3,
    ),
    "AUTH quoted": says(b"-ERR AUTH p4ssw0rd of us3r-name\r\n", protocol=2),
    "token quoted": quoting,
    "function raises": unwilling,
    "token not valid": old_token,
}


@pytest.mark.parametrize("case", CASES)
def test_failure_says_nothing_secret(side: Side, place: Place, case: str, caplog: Any):
    """Neither the first time nor with the circuit open; in no text, log line or pickle."""
    url, settings = CASES[case](place)
    kind = (redis.RedisError, ConfigError)
    with caplog.at_level(logging.DEBUG):
        tolds = [
            side.refused(url, times, kind, **SETTINGS, **settings)
            for times in (1, FAILURES_TO_OPEN + 1)
        ]

    secrets = [USER, PASSWORD, TOKEN, KEY_PASSWORD, ".key"]
    for told in tolds:
        for text in [*texts_about(told.error), repr(told.stats), caplog.text]:
            for secret in secrets:
                assert secret not in text, text


def texts_about(error: BaseException) -> list[str]:
    """Return all that could be shown of an error: what others have raised below it, excepted."""
    texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
    texts += getattr(error, "__notes__", ())
    texts.append(repr(pickle.dumps(error)))
    texts += traceback.format_exception_only(error)
    below = error.__cause__ or error.__context__
    if isinstance(below, redis.RedisError | OSError):
        texts += texts_about(below)
    return texts


def test_unpickled_error_is_what_it_was(side: Side, place: Place):
    """With its class, its numbers and its words."""
    url, settings = CASES["expired"](place)
    error = side.refused(url, **SETTINGS, **settings).error
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again)) == (type(error), str(error))
    assert (again.alias, again.retry_after) == (error.alias, error.retry_after)


def test_errors_below_are_clean_as_well():
    """Whoever prints a traceback prints these, too; those that are not redis-py's are left."""
    vault, below, above = KeyError(TOKEN), redis.ResponseError(f"AUTH {PASSWORD}?"), OSError(USER)
    error = redis.ConnectionError(f"no {USER}")
    error.__cause__, below.__context__ = below, vault

    assert without_secrets(error, [USER, PASSWORD.encode(), None, ""]) is error
    assert (str(error), str(below), str(vault)) == ("no ***", "AUTH ***?", repr(TOKEN))
    assert without_secrets(above, [USER]) is above
