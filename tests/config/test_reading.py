"""What good settings become, from a mapping and from arguments."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.credentials import UsernamePasswordCredentialProvider
from redis.retry import Retry

from redis_pool_ext import ConfigError, PoolConfig, RedisPool
from redis_pool_ext.config import check_pool_arguments, find_problems

from .entries import IS_TEXT, SAY_ONCE, URL, messages_for, read_one


class TestReading:
    """What good settings become."""

    def test_url_alone_is_enough(self):
        """Everything but the URL has a default."""
        config = read_one(URL)

        assert (config.alias, config.url, config.connection_class) == (
            "default",
            URL,
            redis.Connection,
        )
        assert (config.max_connections, config.timeout) == (16, 2.0)
        assert (config.max_waiting, config.max_connecting, config.hold) == (None, 2, "request")
        assert config.options == {"host": "localhost", "port": 6379, "db": 0}

    def test_mapping_sets_the_pool(self):
        """Upper-case keys are the pool's, OPTIONS are redis-py's."""
        config = read_one(
            {
                "URL": URL,
                "MAX_CONNECTIONS": 4,
                "TIMEOUT": 0.5,
                "MAX_WAITING": 8,
                "QUEUE_DISCIPLINE": "codel",
                "QUEUE_TARGET": 0.02,
                "QUEUE_INTERVAL": 0.2,
                "RESERVED": {"high": 1},
                "MAX_CONNECTING": 1,
                "HOLD": "command",
                "MIN_IDLE": 1,
                "MAX_IDLE": 3,
                "IDLE_TIMEOUT": 60,
                "MAX_LIFETIME": None,
                "VALIDATE_AFTER": 0,
                "LEAK_DETECTION_THRESHOLD": 10,
                "HOUSEKEEPING_INTERVAL": 5,
                "OPTIONS": {"socket_timeout": 1.0},
            }
        )

        assert config.pool_arguments() == {
            "alias": "default",
            "connection_class": redis.Connection,
            "max_connections": 4,
            "timeout": 0.5,
            "max_waiting": 8,
            "queue_discipline": "codel",
            "queue_target": 0.02,
            "queue_interval": 0.2,
            "reserved": {"high": 1},
            "max_connecting": 1,
            "hold": "command",
            "min_idle": 1,
            "max_idle": 3,
            "idle_timeout": 60,
            "max_lifetime": None,
            "validate_after": 0,
            "leak_detection_threshold": 10,
            "housekeeping_interval": 5,
            "host": "localhost",
            "port": 6379,
            "db": 0,
            "socket_timeout": 1.0,
        }

    def test_query_sets_the_pool_and_redis_py(self):
        """A URL's query takes the pool's names and redis-py's, each as its right type."""
        config = read_one(
            "redis://h?max_connections=4&timeout=.5&max_waiting=0&max_connecting=1&hold=command"
            "&queue_discipline=codel&queue_target=.02&queue_interval=.2&reserved=high:1,normal:2"
            "&db=3&socket_timeout=1&decode_responses=false&client_name=web"
        )

        assert (config.max_connections, config.timeout, config.max_waiting) == (4, 0.5, 0)
        assert (config.max_connecting, config.hold) == (1, "command")
        queue = config.queue_discipline, config.queue_target, config.queue_interval
        assert queue == ("codel", 0.02, 0.2)
        assert config.reserved == {"high": 1, "normal": 2}
        assert config.options == {
            "host": "h",
            "db": 3,
            "socket_timeout": 1.0,
            "decode_responses": False,
            "client_name": "web",
        }

    @pytest.mark.parametrize("text", ["", "high", "high:", "high:x", "low:1", "high:1,,", "high:0"])
    def test_reservation_in_a_query_is_priority_and_number(self, text: str):
        """What is neither is refused as the mapping would be."""
        [problem] = find_problems({"default": f"redis://h?reserved={text}"})

        assert "reserved" in problem.path
        assert "{'high': 2}" in problem.hint

    @pytest.mark.parametrize(
        "entry",
        [
            {"URL": "redis://h?timeout=2", "TIMEOUT": 2},
            {"URL": "redis://h/1", "OPTIONS": {"db": 1}},
            "redis://h/1?db=1",
        ],
        ids=str,
    )
    def test_setting_given_twice_alike_is_fine(self, entry: object):
        """Two places may say the same thing."""
        assert messages_for(entry) == []

    @pytest.mark.parametrize(
        "options",
        [
            {"retry": Retry(NoBackoff(), 1)},
            {"retry_on_error": [redis.ConnectionError]},
            {"credential_provider": UsernamePasswordCredentialProvider("u", "p")},
            {"redis_connect_func": print},
            {"socket_keepalive_options": {1: 2}, "socket_keepalive": None},
            {"password": None, "username": None, "client_name": None},
            {"protocol": 3, "decode_responses": True, "encoding": "latin-1"},
        ],
        ids=", ".join,
    )
    def test_redis_py_arguments_are_passed_on(self, options: dict[str, Any]):
        """OPTIONS reach the connection class as they are."""
        assert read_one({"URL": "redis://", "OPTIONS": options}).options == options

    @pytest.mark.parametrize("reqs", ["none", "optional", ssl.CERT_REQUIRED, None])
    def test_rediss_takes_tls_arguments(self, reqs: object):
        """The arguments of redis-py's SSLConnection are known to rediss://."""
        options = {"ssl_cert_reqs": reqs, "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": True}
        config = read_one({"URL": "rediss://h", "OPTIONS": options})

        assert config.connection_class is redis.SSLConnection
        assert config.options == {"host": "h", **options}

    def test_own_connection_class_brings_its_arguments(self):
        """What a class of the project's takes is allowed beside what its parents take."""

        class Tenant(redis.Connection):
            def __init__(self, *, tenant: str, **kwargs: Any) -> None:
                super().__init__(**kwargs)

        options = {"connection_class": Tenant, "tenant": "a", "port": 7}
        config = read_one({"URL": "redis://h", "OPTIONS": options})

        assert config.connection_class is Tenant
        assert config.options == {"host": "h", "tenant": "a", "port": 7}

    def test_class_that_takes_anything_is_not_checked(self):
        """Where every name is taken, only what cannot be one is refused."""

        class Anything:
            def __init__(self, **kwargs: Any) -> None: ...

        options = {"connection_class": Anything, "flavour": 1}

        assert messages_for({"URL": "redis://h", "OPTIONS": options}) == []
        for wrong in ({"timeout": 1}, {1: 2}):
            assert len(messages_for({"URL": "redis://h", "OPTIONS": options | wrong})) == 1

    def test_record_makes_the_pool_it_describes(self):
        """`RedisPool.from_config` takes over every setting."""
        config = PoolConfig.from_url(
            "redis://u:p%40@h/2", alias="a", max_connections=3, max_waiting=1, socket_timeout=1
        )
        with RedisPool.from_config(config) as pool:
            assert (pool.alias, pool.max_connections, pool.max_waiting) == ("a", 3, 1)
            assert pool.connection_kwargs.items() >= config.options.items()
            assert pool.connection_kwargs["password"] == "p@"


class TestArguments:
    """The same settings as arguments of a call."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_connections": 0}, "max_connections: 0 is too small; the least is 1"),
            ({"timeout": "5"}, f"timeout: '5' is not a number of seconds; {IS_TEXT}"),
            ({"socket_timeout": -1}, "socket_timeout: -1 is not a time that one can wait; give "
             "seconds above 0, or None for no limit"),
            ({"db": 1}, f"db: contradicts the URL (1 here, 0 there); {SAY_ONCE}"),
            ({"TIMEOUT": 5}, "TIMEOUT: is not an argument of the pool or of redis-py's "
             "connection; write names as redis-py does; did you mean 'timeout'?"),
            ({"max_conections": 5}, "max_conections: is not an argument of the pool or of "
             "redis-py's connection; write names as redis-py does; did you mean "
             "'max_connections'?"),
            ({"ssl": True}, "ssl: is not an argument of the pool or of redis-py's connection; "
             "TLS needs a rediss:// URL"),
            ({"alias": ""}, "alias: '' is not an alias; give a name (str)"),
            ({"url": None}, "url: is missing; give the server's address, as in "
             "redis://localhost:6379/0"),
            ({"url": "redis://h?timeout=x"}, "url (timeout): 'x' is not a number of seconds; give "
             "seconds from 0 (do not wait) up"),
        ],
    )  # fmt: skip
    def test_wrong_argument_is_named_as_its_caller_wrote_it(
        self, arguments: dict[str, Any], message: str
    ):
        """`from_url` speaks of `max_connections`, not of a mapping that nobody wrote."""
        with pytest.raises(ConfigError) as caught:
            RedisPool.from_url(**{"url": URL} | arguments)

        assert str(caught.value) == message

    def test_arguments_and_mapping_make_equal_records(self):
        """There is one reader: what is written in a call means what it means in a mapping."""
        written = read_one(
            {"URL": URL, "MAX_CONNECTIONS": 3, "TIMEOUT": 1, "OPTIONS": {"socket_timeout": 1}}
        )

        assert PoolConfig.from_url(URL, max_connections=3, timeout=1, socket_timeout=1) == written

    def test_impossible_pool_arguments_are_all_named(self):
        """The pool's own constructor checks its arguments by the same rules."""
        with pytest.raises(ConfigError) as caught:
            check_pool_arguments(max_connections=0, timeout=float("nan"), hold="request")

        assert [problem.path for problem in caught.value.problems] == ["max_connections", "timeout"]
