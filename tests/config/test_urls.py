"""URLs: how they are taken apart, what is refused, and what of them may be shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus

import fakeredis
import pytest
import redis
from hypothesis import example, given
from hypothesis import strategies as st

from redis_pool_ext import RedisPool, url_grammar
from redis_pool_ext.connecting.sentinel import SentinelConnection, SentinelSSLConnection
from redis_pool_ext.settings import schemes
from redis_pool_ext.settings.rules import OPTION_RULES, POOL_RULES
from redis_pool_ext.settings.urls import read_url
from redis_pool_ext.url_grammar import hide_secrets

SECRET = "hunter2"
# What a password may be made of; the signs that mean something in a URL stand in front.
PASSWORDS = st.text(st.sampled_from("/?#@%&=+:;[] '\"\\x0ä€") | st.characters(codec="utf-8"))


class TestAddress:
    """Scheme, user, host, port, database, path of a socket."""

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("redis://", {}),
            ("redis://localhost", {"host": "localhost"}),
            ("REDIS://LocalHost:/", {"host": "localhost"}),
            ("redis://h:7000/3", {"host": "h", "port": 7000, "db": 3}),
            ("redis://:p@h", {"host": "h", "password": "p"}),
            ("redis://u@h", {"host": "h", "username": "u"}),
            ("redis://u:p@ss@h", {"host": "h", "username": "u", "password": "p@ss"}),
            ("redis://:@h", {"host": "h"}),
            ("redis://my_redis.example:1/0", {"host": "my_redis.example", "port": 1, "db": 0}),
            ("redis://127.0.0.1", {"host": "127.0.0.1"}),
            ("redis://[::1]:7000/1", {"host": "::1", "port": 7000, "db": 1}),
            ("redis://u:p@[fe80::1%25eth0]", {"host": "fe80::1%eth0", "username": "u",
                                              "password": "p"}),
            ("unix:///run/redis.sock", {"path": "/run/redis.sock"}),
            ("unix://u:p@/run/a%20b.sock", {"path": "/run/a b.sock", "username": "u",
                                            "password": "p"}),
        ],
    )  # fmt: skip
    def test_address_becomes_redis_py_arguments(self, url: str, options: dict[str, Any]):
        """What is given is taken over, what is not is left to redis-py."""
        assert read_url(url).options == options

    @pytest.mark.parametrize(
        ("url", "connection_class"),
        [
            ("redis://h", redis.Connection),
            ("rediss://h", redis.SSLConnection),
            ("unix:///run/redis.sock", redis.UnixDomainSocketConnection),
            ("fakeredis://", fakeredis.FakeRedisConnection),
            ("redis+sentinel://h/mymaster", SentinelConnection),
            ("rediss+sentinel://h/mymaster", SentinelSSLConnection),
        ],
    )
    def test_scheme_names_the_connection_class(self, url: str, connection_class: type[Any]):
        """Each scheme has its class."""
        assert read_url(url).connection_class is connection_class

    def test_fakeredis_url_is_a_server_in_this_process(self):
        """A development without Redis needs no other line than the URL."""
        with RedisPool.from_url("fakeredis://somewhere") as pool, pool.lease() as client:
            client.set("k", "v")
            assert client.get("k") == b"v"

    def test_missing_fakeredis_is_named_with_its_install(self, monkeypatch: pytest.MonkeyPatch):
        """fakeredis is optional: whoever asks for it is told how to get it."""
        monkeypatch.setattr(schemes, "find_spec", lambda _name: None)

        with pytest.raises(ValueError, match=r"pip install 'redis-pool-ext\[fakeredis\]'"):
            read_url("fakeredis://")

    @given(PASSWORDS)
    @example("100%25 of a+b")
    @example("%2520")
    def test_password_is_decoded_exactly_once(self, password: str):
        """Percent-encoded in the address or in the query, redis-py gets the password itself."""
        in_address = read_url(f"redis://:{quote(password, safe='')}@h").options
        in_query = read_url(f"redis://h?password={quote(password, safe='')}").query
        in_form = read_url(f"redis://h?password={quote_plus(password)}").query

        assert in_address.get("password", "") == password
        assert in_query == in_form == {"password": password}


ADDRESS = r"its address is not \[user:password@\]host\[:port\]"


class TestSeveralAddresses:
    """A list of hosts: of Sentinels, or of a cluster's nodes."""

    @pytest.mark.parametrize(
        ("hosts", "addresses"),
        [
            ("h", [("h", None)]),
            ("h:1", [("h", 1)]),
            ("h1:1,h2:2", [("h1", 1), ("h2", 2)]),
            ("H1,h2:2,h3:", [("h1", None), ("h2", 2), ("h3", None)]),
            ("10.0.0.1:1,[::1]:2,[fe80::1%25eth0]", [("10.0.0.1", 1), ("::1", 2),
                                                    ("fe80::1%eth0", None)]),
            ("h:1,h:2", [("h", 1), ("h", 2)]),
        ],
    )  # fmt: skip
    def test_each_address_is_read_as_if_it_stood_alone(
        self, hosts: str, addresses: list[tuple[str, int | None]]
    ):
        """Names, IPv6 in brackets, ports; the usual port where none is given."""
        sentinels = read_url(f"redis+sentinel://u:p@{hosts}/mymaster").options["sentinels"]
        nodes = read_url(f"rediss+cluster://u:p@{hosts}").options["startup_nodes"]

        assert sentinels == tuple((host, port or 26379) for host, port in addresses)
        assert nodes == tuple((host, port or 6379) for host, port in addresses)

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("redis+sentinel://h/mymaster", {"service_name": "mymaster"}),
            ("REDIS+Sentinel://h/my-Master_2.a/", {"service_name": "my-Master_2.a"}),
            ("redis+sentinel://u:p%2C@h/mymaster/3", {"service_name": "mymaster", "db": 3,
                                                      "username": "u", "password": "p,"}),
            ("rediss+sentinel://:a,b@h/1/0", {"service_name": "1", "db": 0, "password": "a,b"}),
            ("redis+cluster://h", {}),
            ("redis+cluster://:p@h/0", {"db": 0, "password": "p"}),
        ],
    )  # fmt: skip
    def test_rest_of_the_url_is_read_once(self, url: str, options: dict[str, Any]):
        """User and password stand once, before the list; a service's name is in the path."""
        found = read_url(url).options
        found.pop("sentinels", None)
        found.pop("startup_nodes", None)

        assert found == options

    def test_query_is_read_as_in_any_url(self):
        """What the pool and redis-py take may follow a list of hosts, too."""
        parsed = read_url("redis+sentinel://h1,h2/mymaster/0?timeout=1&password=a%2Cb")

        assert parsed.query == {"timeout": "1", "password": "a,b"}

    @pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+cluster"])
    @pytest.mark.parametrize(
        ("rest", "message"),
        [
            ("h1:1,h2:0", ADDRESS),
            ("h1:1,h2:port", ADDRESS),
            ("h1:1;h2:2", ADDRESS),
            ("[::1,h2", ADDRESS),
            ("u:pass/word@h1,h2", ADDRESS),
            ("u:p@h1,u:p@h2", ADDRESS),
            ("", "there is no host in front of, between or behind its commas"),
            ("u:p@", "there is no host in front of, between or behind its commas"),
            (":1", "there is no host in front of, between or behind its commas"),
            ("h1,,h2", "there is no host in front of, between or behind its commas"),
            ("h1,h2,", "there is no host in front of, between or behind its commas"),
            ("h1,h2,H1", "an address stands twice in it"),
        ],
    )
    def test_list_that_makes_no_sense_is_refused(self, scheme: str, rest: str, message: str):
        """A typing mistake in one address is an error, not one address less."""
        path = "/mymaster" if scheme.endswith("sentinel") else ""

        with pytest.raises(ValueError, match=message):
            read_url(f"{scheme}://{rest}{path}")

    @pytest.mark.parametrize("path", ["", "/", "/0", "//0", "/my master", "/my%20master", "/a/b",
                                      "/a/0/1", "/a/-1"])  # fmt: skip
    def test_sentinel_url_needs_the_name_of_a_service(self, path: str):
        """Where only a number stands, the name was forgotten."""
        with pytest.raises(ValueError, match=r"as in /mymaster/0|white space"):
            read_url(f"redis+sentinel://h{path}")

    def test_cluster_url_has_no_name_in_its_path(self):
        """There is nothing to name in a cluster."""
        with pytest.raises(ValueError, match="its path must be the number of a database"):
            read_url("redis+cluster://h/mymaster")


class TestRefused:
    """What redis-py would read in some way, or drop without a word."""

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("", "must begin with one of redis://, rediss://, unix://, fakeredis://"),
            ("localhost:6379", "must begin with one of redis://"),
            ("redis", "its path must be"),
            ("redis+sentinel", "its path must be"),
            ("redis:h", "must begin with one of redis://"),
            ("redis+sentinels://h/mymaster", "must begin with one of redis://"),
            ("unix+sentinel://h/mymaster", "must begin with one of redis://"),
            (" redis://h", "must begin with one of redis://"),
            ("redis://h/0\n", "white space"),
            ("redis://h?client_name=my app", "white space"),
            ("redis://h:0", ADDRESS),
            ("redis://h:65536", ADDRESS),
            ("redis://h:port", ADDRESS),
            ("redis://one:1,two:2", ADDRESS),
            ("redis://${REDIS_HOST}:6379", ADDRESS),
            ("redis://[::1", ADDRESS),
            ("redis://[h]", ADDRESS),
            ("redis://:pass/word@h", ADDRESS),
            ("redis://:pass?word@h", ADDRESS),
            ("redis://:pass#word@h", ADDRESS),
            ("redis://pass#word@h", ADDRESS),
            ("redis://h/0?password=p@ss", ADDRESS),
            ("redis://:p\u2100@h", ADDRESS),
            ("redis://h/0#1", "what follows the # would be lost"),
            ("redis://h/cache", "its path must be the number of a database"),
            ("redis://h/-1", "its path must be the number of a database"),
            ("redis://h/0/", "its path must be the number of a database"),
            ("redis://h/1/2", "its path must be the number of a database"),
            ("redis://h/\u0661", "its path must be the number of a database"),
            ("unix://", "a unix:// URL is the path of a socket"),
            ("unix://run/redis.sock", "a unix:// URL is the path of a socket"),
            ("redis://:%ff@h", "not UTF-8"),
            ("redis://h?password=%ff", "not UTF-8"),
            ("redis://h?db=1&db=1", "a name stands twice in its query"),
        ],
    )
    def test_url_that_makes_no_sense_is_refused(self, url: str, message: str):
        """Nothing is guessed: each is an error with its reason."""
        with pytest.raises(ValueError, match=message):
            read_url(url)

    @given(
        st.text()
        | st.text("redis:/@?#[]%&=.0 ").map("redis://".__add__)
        | st.text("redis:/@?#[]%&=.0 ,").map("redis+sentinel://".__add__)
    )
    def test_any_text_is_read_or_refused(self, url: str):
        """No text makes the reader fail in any other way."""
        try:
            read_url(url)
        except ValueError as error:
            assert type(error) is ValueError  # noqa: PT017  either outcome is right
            assert error.__context__ is None  # noqa: PT017  an inner text could quote the URL


class TestHiding:
    """What of a URL stands in messages, pages and logs."""

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("redis://h:6379/0", "redis://h:6379/0"),
            ("redis://u:hunter2@h:6379/0", "redis://***@h:6379/0"),
            ("rediss://hunter2@[::1]:6379/0", "rediss://***@[::1]:6379/0"),
            ("redis+sentinel://h?role=replica", "redis+sentinel://h?role=replica"),
            ("redis://h?timeout=2&db=1", "redis://h?timeout=2&db=1"),
            ("redis://h?password=hunter2&db=1", "redis://h?password=***&db=1"),
            ("redis://h?pasword=hunter2", "redis://h?pasword=***"),
            ("redis://h?password=a&hunter2", "redis://h?password=***&***"),
            ("redis://h?password=a@hunter2", "redis://***"),
            ("unix://u:hunter2@/run/redis.sock?db=1", "unix://***@/run/redis.sock?db=1"),
            ("redis://u:p@hunter2@h/0", "redis://***@h/0"),
            ("redis://u:p/hunter2@h/0", "redis://***"),
            ("redis://u:p?hunter2@h/0", "redis://***"),
            ("redis://u:p#hunter2@h/0", "redis://***"),
            ("redis://u:hunter2", "redis://***"),
            ("redis://u:9999999999", "redis://***"),
            ("redis://u:1/hunter2", "redis://u:1/***"),
            ("redis://h/0#hunter2", "redis://h/0#***"),
            ("u:hunter2@h:6379/0", "***@h:6379/0"),
            ("redis+sentinel://h1:1,h2/mymaster/0", "redis+sentinel://h1:1,h2/mymaster/0"),
            ("redis+sentinel://u:hunter2@h/mymaster", "redis+sentinel://***@h/mymaster"),
            ("redis+sentinel://u:hunt,er2@h/a/b", "redis+sentinel://***@h/***"),
            ("redis+sentinel://u:p/hunter2@h1,h2/mymaster", "redis+sentinel://***"),
            ("redis+sentinel://u:1/hunter2", "redis+sentinel://u:1/***"),
            ("redis+sentinel://u:hunter2,h/0", "redis+sentinel://***"),
            ("rediss+cluster://:hunter2@h1:1,[::1]:2", "rediss+cluster://***@h1:1,[::1]:2"),
            ("redis://u:hunter2,h", "redis://***"),
            ("", ""),
        ],
    )
    def test_url_is_shown_without_its_credentials(self, url: str, shown: str):
        """Server and database can be told; user and password cannot, however it is written."""
        assert hide_secrets(url) == shown

    @pytest.mark.parametrize(
        "template",
        [
            "redis://{}@h:6379/0",
            "redis://u:{}@h/0?timeout=2",
            "unix://u:{}@/run/redis.sock",
            "redis+sentinel://u:{}@h1:1,h2:2/mymaster/0",
            "redis+cluster://{}@h1:1,h2:2",
            "u:{}@h",
            "redis://h/0?password={}&db=1",
            "redis://h?username={}",
            "redis://u:p@h?ssl_password={}",
            "redis://h?unknown={}",
        ],
    )
    @given(noise=PASSWORDS)
    @example(noise="@")
    @example(noise="&")
    @example(noise="&timeout=")
    def test_no_part_of_a_secret_is_shown(self, template: str, noise: str):
        """Whatever signs a password holds unescaped, neither of its ends is shown."""
        shown = hide_secrets(template.format(SECRET + noise + SECRET))

        assert SECRET not in shown

    def test_only_harmless_names_are_shown_with_their_values(self):
        """The list of query names to be shown holds no secret one."""
        rules = POOL_RULES | OPTION_RULES

        assert all(not rules[name].secret for name in url_grammar._SHOWN_QUERY)
