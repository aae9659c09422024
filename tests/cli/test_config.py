"""`config`: what is understood of the settings."""

from __future__ import annotations

import json

import pytest

from redis_pool_ext.settings.rules import POOL_RULES

from ..support.program import Program
from .command import SERVES, call


def settings_of(pools, **options) -> dict[str, dict[str, object]]:
    return {
        p["alias"]: p["settings"] for p in call("config", pools, json=True, **options).data["pools"]
    }


def test_every_setting_is_told_and_where_it_has_its_default():
    """From the URL's query, from the entry, from neither."""
    pools = {"default": {"URL": "redis://h?max_connections=4", "TIMEOUT": 2.0, "HOLD": "command"}}
    own = settings_of(pools)["default"]

    assert POOL_RULES.keys() <= own.keys()
    assert own["max_connections"] == {"value": 4, "is_default": False}
    assert own["hold"] == {"value": "command", "is_default": False}
    assert own["timeout"] == {"value": 2.0, "is_default": True}
    assert own["idle_timeout"] == {"value": 300.0, "is_default": True}


def test_settings_of_redis_py_are_told_by_their_names():
    """Those that are given, and the usual ones with what they are by default."""
    own = settings_of({"default": {"URL": "redis://h", "OPTIONS": {"socket_timeout": 1.5}}})[
        "default"
    ]

    assert own["socket_timeout"] == {"value": 1.5, "is_default": False}
    assert own["socket_keepalive"] == {"value": True, "is_default": True}
    assert own["client_name"] == {"value": None, "is_default": True}


@pytest.mark.parametrize("is_json", [True, False])
def test_credentials_are_hidden(is_json: bool):
    """Wherever they stand; that there is one is told."""
    options = {
        "password": "geheim",
        "ssl_password": "geheim",
        "sentinel_kwargs": {"password": "geheim"},
    }
    pools = {
        "default": "redis://somebody:geheim@h",
        "options": {"URL": "redis://h", "OPTIONS": {"username": "somebody", "password": "geheim"}},
        "sentinel": {"URL": "rediss+sentinel://a,b/m", "OPTIONS": options},
    }
    said = call("config", pools, json=is_json)

    assert said.status == 0
    assert "geheim" not in said.out
    assert "somebody" not in said.out
    assert "set (hidden)" in said.out


def test_server_is_told_without_credentials():
    """As its address."""
    (told,) = call("config", {"default": "rediss://u:p@h:1/2"}, json=True).data["pools"]

    assert (told["server"], told["connection_class"]) == ("rediss://h:1/2", "SSLConnection")


def test_url_is_read_for_a_plain_program():
    """With what its query says."""
    own = settings_of(None, url="redis://h?timeout=0.5", alias=("jobs",))

    assert own["jobs"]["timeout"] == {"value": 0.5, "is_default": False}


def test_wrong_url_is_status_2_and_shows_no_password():
    """The message names what is wrong."""
    said = call("config", url="redis://:geheim@h?timeuot=1")

    assert (said.status, said.out) == (2, "")
    assert "timeuot" in said.err
    assert "geheim" not in said.err


def test_plain_program_is_told_the_settings_of_the_processes(place, url):
    """As each of them has them."""
    pools = {"default": {"URL": url, "MAX_CONNECTIONS": 3}}
    with Program(SERVES, json.dumps(pools), "1", "default") as program:
        (told,) = call("config", json=True).data["pools"]

    assert told["pid"] == program.pid
    assert told["settings"]["max_connections"] == {"value": 3, "is_default": False}


def test_table_has_each_setting():
    """Its value, and whether that is the default."""
    out = call("config", {"default": {"URL": "redis://h", "MAX_CONNECTIONS": 4}}).out
    lines = [line.split() for line in out.splitlines()]

    assert ["max_connections", "4"] in lines
    assert ["max_waiting", "none", "default"] in lines
