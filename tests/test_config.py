"""Settings: what is read, what is refused and in which words, what makes two records equal."""

from __future__ import annotations

import copy
import pickle
import ssl
from typing import Any

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.backoff import NoBackoff
from redis.credentials import UsernamePasswordCredentialProvider
from redis.retry import Retry

from redis_pool_ext import ConfigError, PoolConfig, RedisPool
from redis_pool_ext.config import check_pool_arguments, find_problems, read_settings

URL = "redis://localhost:6379/0"
BY_SENTINEL = "redis+sentinel://h/mymaster"
SECRET = "hunter2"


def read_one(entry: object) -> PoolConfig:
    """Return the record of one entry of the mapping."""
    return read_settings({"default": entry})["default"]


def messages_for(entry: object) -> list[str]:
    """Return what is wrong with one entry, as its author reads it."""
    return [str(problem) for problem in find_problems({"default": entry})]


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


# Each kind of mistake with the whole of what its author reads.
KEYS = (
    "URL, MAX_CONNECTIONS, TIMEOUT, MAX_WAITING, QUEUE_DISCIPLINE, QUEUE_TARGET, QUEUE_INTERVAL, "
    "RESERVED, MAX_CONNECTING, HOLD, MIN_IDLE, MAX_IDLE, IDLE_TIMEOUT, MAX_LIFETIME, "
    "VALIDATE_AFTER, LEAK_DETECTION_THRESHOLD, HOUSEKEEPING_INTERVAL, OPTIONS"
)
IN_URL = "it is a part of URL, as in redis://user:password@host:6379/0"
IS_TEXT = "it is a text, as environment variables are: convert it first"
IS_OBJECT = "it is an object, which no text and no URL can hold"
LIMIT = "is not a time that one can wait; give seconds above 0, or None for no limit"
WAIT = "is not a time that one can wait; give seconds from 0 (do not wait) up"
RESERVATION = "a mapping of priority to a number of connections"
RESERVE = "give numbers for 'high' or 'normal' or both, as in {'high': 2}"
SAY_ONCE = "say it in one place only"
NO_OPTION = "is not an argument of redis-py's connection"
OWN_NAMES = "OPTIONS holds redis-py's own names"
GIVE_ONE = "give one; if it comes from the environment, see that the variable is set"

WRONG_SETTINGS = [
    # unknown keys
    ({"MAX_CONECTIONS": 5}, f"['MAX_CONECTIONS']: is not a setting; known are {KEYS}; "
     "did you mean 'MAX_CONNECTIONS'?"),
    ({"max_connections": 5}, f"['max_connections']: is not a setting; known are {KEYS}; "
     "did you mean 'MAX_CONNECTIONS'?"),
    ({"COLOUR": 5}, f"['COLOUR']: is not a setting; known are {KEYS}"),
    ({3: 5}, f"[3]: is not a setting; known are {KEYS}"),
    ({"HOST": "h"}, f"['HOST']: is not a setting; {IN_URL}"),
    ({"PORT": 6379}, f"['PORT']: is not a setting; {IN_URL}"),
    ({"PASSWORD": SECRET}, f"['PASSWORD']: is not a setting; {IN_URL}"),
    ({"LOCATION": URL}, f"['LOCATION']: is not a setting; {IN_URL}"),
    ({"BACKEND": "x"}, "['BACKEND']: is not a setting; it belongs into Django's CACHES"),
    ({"SOCKET_TIMEOUT": 1}, "['SOCKET_TIMEOUT']: is not a setting; it is redis-py's: put it "
     "into OPTIONS as 'socket_timeout'"),
    # wrong types
    ({"MAX_CONNECTIONS": "16"}, f"['MAX_CONNECTIONS']: '16' is not a whole number; {IS_TEXT}"),
    ({"MAX_CONNECTIONS": "many"}, "['MAX_CONNECTIONS']: 'many' is not a whole number; "
     "the least is 1"),
    ({"MAX_CONNECTIONS": True}, "['MAX_CONNECTIONS']: True is not a whole number; the least is 1"),
    ({"MAX_CONNECTIONS": 16.0}, "['MAX_CONNECTIONS']: 16.0 is not a whole number; the least is 1"),
    ({"MAX_CONNECTIONS": None}, "['MAX_CONNECTIONS']: None is not a whole number; the least is 1"),
    ({"MAX_CONNECTIONS": [SECRET]}, "['MAX_CONNECTIONS']: a value of type list is not a whole "
     "number; the least is 1"),
    ({"MAX_WAITING": "8"}, f"['MAX_WAITING']: '8' is not a whole number or None; {IS_TEXT}"),
    ({"TIMEOUT": "2.5"}, f"['TIMEOUT']: '2.5' is not a number of seconds; {IS_TEXT}"),
    ({"TIMEOUT": "2s"}, "['TIMEOUT']: '2s' is not a number of seconds; give seconds from 0 "
     "(do not wait) up"),
    ({"TIMEOUT": None}, "['TIMEOUT']: None is not a number of seconds; give seconds from 0 "
     "(do not wait) up"),
    ({"HOLD": None}, "['HOLD']: None is not 'request' or 'command'; use 'request' or 'command'"),
    ({"OPTIONS": None}, "['OPTIONS']: a value of type NoneType is not a mapping; give "
     "redis-py's arguments by their "
     "names, as in {'socket_timeout': 1.0}"),
    ({"OPTIONS": f"password={SECRET}"}, "['OPTIONS']: a value of type str is not a mapping; "
     "give redis-py's "
     "arguments by their names, as in {'socket_timeout': 1.0}"),
    ({"URL": URL.encode()}, "['URL']: a value of type bytes is not a URL (str); give it as str"),
    ({"URL": None}, "['URL']: is missing; give the server's address, as in "
     "redis://localhost:6379/0"),
    # impossible values
    ({"MAX_CONNECTIONS": 0}, "['MAX_CONNECTIONS']: 0 is too small; the least is 1"),
    ({"MAX_CONNECTING": 0}, "['MAX_CONNECTING']: 0 is too small; the least is 1"),
    ({"MAX_WAITING": -1}, "['MAX_WAITING']: -1 is too small; the least is 0"),
    ({"TIMEOUT": -0.5}, f"['TIMEOUT']: -0.5 {WAIT}"),
    ({"TIMEOUT": float("nan")}, f"['TIMEOUT']: nan {WAIT}"),
    ({"TIMEOUT": float("inf")}, f"['TIMEOUT']: inf {WAIT}"),
    ({"TIMEOUT": 10**5000}, f"['TIMEOUT']: a huge number {WAIT}"),
    ({"MIN_IDLE": 3, "MAX_CONNECTIONS": 2}, "['MIN_IDLE']: 3 is more than "
     "REDIS_POOLS['default']['MAX_CONNECTIONS'], which is 2; lower one or raise the other"),
    ({"MIN_IDLE": 17}, "['MIN_IDLE']: 17 is more than REDIS_POOLS['default']['MAX_CONNECTIONS'], "
     "which is 16; lower one or raise the other"),
    ({"MIN_IDLE": 3, "MAX_IDLE": 2}, "['MIN_IDLE']: 3 is more than "
     "REDIS_POOLS['default']['MAX_IDLE'], which is 2; lower one or raise the other"),
    ({"QUEUE_DISCIPLINE": "lifo"}, "['QUEUE_DISCIPLINE']: 'lifo' is not known; use 'fifo' or "
     "'codel'"),
    ({"QUEUE_TARGET": 0}, "['QUEUE_TARGET']: 0 is not a time that one can wait; give seconds "
     "above 0"),
    ({"QUEUE_TARGET": 2}, "['QUEUE_TARGET']: 2 is more than "
     "REDIS_POOLS['default']['QUEUE_INTERVAL'], which is 1.0; lower one or raise the other"),
    ({"QUEUE_INTERVAL": 0.05}, "['QUEUE_TARGET']: 0.1 is more than "
     "REDIS_POOLS['default']['QUEUE_INTERVAL'], which is 0.05; lower one or raise the other"),
    ({"RESERVED": 2}, f"['RESERVED']: 2 is not {RESERVATION} or None; {RESERVE}"),
    ({"RESERVED": {"low": 2}}, f"['RESERVED']: a value of type dict is no reservation; {RESERVE}"),
    ({"RESERVED": {"high": 0}}, f"['RESERVED']: a value of type dict is no reservation; {RESERVE}"),
    ({"RESERVED": {"high": 3, "normal": 1}, "MAX_CONNECTIONS": 4}, "['RESERVED']: 4 connections "
     "are all of REDIS_POOLS['default']['MAX_CONNECTIONS'], which is 4; leave at least one for "
     "everybody, or raise it"),
    ({"IDLE_TIMEOUT": 0}, f"['IDLE_TIMEOUT']: 0 {LIMIT}"),
    ({"MAX_LIFETIME": -1}, f"['MAX_LIFETIME']: -1 {LIMIT}"),
    ({"VALIDATE_AFTER": -1}, "['VALIDATE_AFTER']: -1 is not a time that one can wait; give "
     "seconds from 0 (ask every time) up, or None for no limit"),
    ({"LEAK_DETECTION_THRESHOLD": 0}, f"['LEAK_DETECTION_THRESHOLD']: 0 {LIMIT}"),
    ({"HOUSEKEEPING_INTERVAL": "5"}, f"['HOUSEKEEPING_INTERVAL']: '5' is not a number of seconds "
     f"or None; {IS_TEXT}"),
    ({"HOLD": "reqest"}, "['HOLD']: 'reqest' is not known; use 'request' or 'command'"),
    # redis-py's arguments
    ({"OPTIONS": {"socket_timeot": 1}}, f"['OPTIONS']['socket_timeot']: {NO_OPTION}; "
     f"{OWN_NAMES}; did you mean 'socket_timeout'?"),
    ({"OPTIONS": {"SOCKET_TIMEOUT": 1}}, f"['OPTIONS']['SOCKET_TIMEOUT']: {NO_OPTION}; "
     f"{OWN_NAMES}; did you mean 'socket_timeout'?"),
    ({"OPTIONS": {"max_connections": 5}}, f"['OPTIONS']['max_connections']: {NO_OPTION}; it is "
     "the pool's: write MAX_CONNECTIONS beside URL"),
    ({"OPTIONS": {"TIMEOUT": 5}}, f"['OPTIONS']['TIMEOUT']: {NO_OPTION}; it is the pool's: write "
     "TIMEOUT beside URL"),
    ({"OPTIONS": {"ssl_ca_certs": "f"}}, f"['OPTIONS']['ssl_ca_certs']: {NO_OPTION}; TLS needs a "
     "rediss:// URL"),
    ({"OPTIONS": {1: 2}}, f"['OPTIONS'][1]: {NO_OPTION}; {OWN_NAMES}"),
    ({"OPTIONS": {"cache_config": 1}}, "['OPTIONS']['cache_config']: client-side caching mixes "
     "users' replies; leave it out, and cache in the application instead"),
    ({"OPTIONS": {"decode_responses": "True"}}, "['OPTIONS']['decode_responses']: 'True' is not "
     f"True or False; {IS_TEXT}"),
    ({"OPTIONS": {"decode_responses": 1}}, "['OPTIONS']['decode_responses']: 1 is not True or "
     "False; in a URL, write true or false"),
    ({"OPTIONS": {"socket_timeout": 0}}, "['OPTIONS']['socket_timeout']: 0 is not a time that one "
     "can wait; give seconds above 0, or None for no limit"),
    ({"OPTIONS": {"protocol": 4}}, "['OPTIONS']['protocol']: 4 is out of range; give 2 to 3"),
    ({"OPTIONS": {"client_name": "my app"}}, "['OPTIONS']['client_name']: 'my app' is not a name "
     "that Redis takes; write it in ASCII without spaces"),
    ({"OPTIONS": {"encoding": "utf-9"}}, "['OPTIONS']['encoding']: 'utf-9' is not an encoding "
     "that Python knows; the usual one is 'utf-8'"),
    ({"OPTIONS": {"retry": 3}}, f"['OPTIONS']['retry']: 3 is not a Retry or None; {IS_OBJECT}"),
    ({"OPTIONS": {"retry_on_error": [1]}}, "['OPTIONS']['retry_on_error']: a value of type list "
     f"is not a list of exception classes or None; {IS_OBJECT}"),
    ({"OPTIONS": {"connection_class": "redis.Connection"}}, "['OPTIONS']['connection_class']: "
     f"'redis.Connection' is not a class or None; {IS_OBJECT}"),
    ({"OPTIONS": {"password": SECRET.encode()}}, "['OPTIONS']['password']: the value is not a "
     "text (str), a function that returns one or None; give it as str"),
    # two places that contradict each other
    ({"URL": "redis://h?timeout=1", "TIMEOUT": 2}, "['TIMEOUT']: contradicts the URL (2 here, "
     f"1.0 there); {SAY_ONCE}"),
    ({"OPTIONS": {"db": 1}}, "['OPTIONS']['db']: contradicts the URL (1 here, 0 there); "
     f"{SAY_ONCE}"),
    ({"OPTIONS": {"host": "h"}}, "['OPTIONS']['host']: contradicts the URL ('h' here, "
     f"'localhost' there); {SAY_ONCE}"),
    ({"URL": "redis://:one@h", "OPTIONS": {"password": "two"}}, "['OPTIONS']['password']: "
     f"contradicts the URL; {SAY_ONCE}"),
    ({"URL": "redis://h/0?db=1"}, "['URL'] (db): contradicts the address before it (1 here, "
     f"0 there); {SAY_ONCE}"),
    ({"URL": "redis://:one@h?password=two"}, "['URL'] (password): contradicts the address before "
     f"it; {SAY_ONCE}"),
    ({"URL": "rediss://h", "OPTIONS": {"connection_class": redis.Connection}}, "['OPTIONS']"
     "['connection_class']: Connection is not a SSLConnection, as the URL asks for; leave it "
     "out, or change the URL's scheme"),
    ({"URL": "redis://:one@h", "OPTIONS": {"credential_provider":
      UsernamePasswordCredentialProvider("u", "two")}}, "['OPTIONS']['credential_provider']: "
     "contradicts the user name or password that is given as well; give one or the other"),
    # a pool that asks Sentinels
    ({"URL": BY_SENTINEL, "OPTIONS": {"role": "slave"}}, "['OPTIONS']['role']: 'slave' is not "
     "known; use 'master' or 'replica'"),
    ({"URL": f"{BY_SENTINEL}?role=slave"}, "['URL'] (role): 'slave' is not known; use 'master' or "
     "'replica'"),
    ({"OPTIONS": {"role": "replica"}}, f"['OPTIONS']['role']: {NO_OPTION}; {OWN_NAMES}"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"host": "h"}}, "['OPTIONS']['host']: contradicts the URL, "
     "whose Sentinels say where the server is; leave it out"),
    ({"URL": f"{BY_SENTINEL}?port=1"}, "['OPTIONS']['port']: contradicts the URL, whose Sentinels "
     "say where the server is; leave it out"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"service_name": "other"}}, "['OPTIONS']['service_name']: "
     f"contradicts the URL ('other' here, 'mymaster' there); {SAY_ONCE}"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"sentinel_kwargs": SECRET}}, "['OPTIONS']"
     f"['sentinel_kwargs']: the value is not a mapping or None; {IS_OBJECT}"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"sentinel_kwargs": {"pasword": SECRET}}}, "['OPTIONS']"
     "['sentinel_kwargs']['pasword']: is not an argument of a connection to a Sentinel; "
     "sentinel_kwargs holds redis-py's own names; did you mean 'password'?"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"sentinel_kwargs": {"password": 5}}}, "['OPTIONS']"
     "['sentinel_kwargs']['password']: the value is not a text (str) or None; give it as str"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"sentinel_kwargs": {"ssl_ca_certs": "f"}}}, "['OPTIONS']"
     "['sentinel_kwargs']['ssl_ca_certs']: has no effect without TLS; add 'ssl': True beside it"),
    ({"URL": BY_SENTINEL, "OPTIONS": {"connection_class": redis.Connection}}, "['OPTIONS']"
     "['connection_class']: Connection is not a SentinelConnection, as the URL asks for; leave it "
     "out, or change the URL's scheme"),
    # the URL's query
    ({"URL": "redis://h?max_conections=3"}, "['URL'] (max_conections): is not an argument of the "
     "pool or of redis-py's connection; see the pool's and redis-py's names; did you mean "
     "'max_connections'?"),
    ({"URL": "redis://h?timeout=soon"}, "['URL'] (timeout): 'soon' is not a number of seconds; "
     "give seconds from 0 (do not wait) up"),
    ({"URL": "redis://h?timeout=inf"}, "['URL'] (timeout): 'inf' is not a number of seconds; "
     "give seconds from 0 (do not wait) up"),
    ({"URL": "redis://h?max_connections="}, "['URL'] (max_connections): '' is not a whole number; "
     "the least is 1"),
    ({"URL": "redis://h?socket_keepalive=maybe"}, "['URL'] (socket_keepalive): 'maybe' is not "
     "True or False or None; in a URL, write true or false"),
    ({"URL": "redis://h?retry=3"}, f"['URL'] (retry): '3' is not a Retry or None; {IS_OBJECT}"),
    ({"URL": "redis://h?command_packer=x"}, "['URL'] (command_packer): cannot be written in a "
     "URL; it is an object: give it in Python, beside the URL"),
]  # fmt: skip


class TestMessages:
    """What the author of a mistake reads."""

    @pytest.mark.parametrize(
        ("wrong", "message"), WRONG_SETTINGS, ids=[text.split(";")[0] for _, text in WRONG_SETTINGS]
    )
    def test_wrong_setting_is_named_with_its_value_and_the_way_out(
        self, wrong: dict[Any, Any], message: str
    ):
        """Each kind of mistake: the setting's path, the value, what to write instead."""
        assert messages_for({"URL": URL} | wrong) == [f"REDIS_POOLS['default']{message}"]

    @pytest.mark.parametrize(
        ("pools", "message"),
        [
            (None, "REDIS_POOLS: None is not a mapping of alias to URL or settings; give one, as "
             "in {'default': 'redis://localhost:6379/0'}"),
            (f"redis://:{SECRET}@h", "REDIS_POOLS: 'redis://***@h' is not a mapping of alias to "
             "URL or settings; give one, as in {'default': 'redis://localhost:6379/0'}"),
            ({"default": None}, "REDIS_POOLS['default']: None is not a URL or a mapping of "
             f"settings; {GIVE_ONE}"),
            ({"default": [SECRET]}, "REDIS_POOLS['default']: a value of type list is not a URL or "
             f"a mapping of settings; {GIVE_ONE}"),
            ({"default": SECRET.encode()}, "REDIS_POOLS['default']: a value of type bytes is not "
             f"a URL or a mapping of settings; {GIVE_ONE}"),
            ({"": URL}, "REDIS_POOLS['']: '' is not an alias; give a name (str)"),
            ({f"redis://:{SECRET}@h": URL}, "REDIS_POOLS['redis://***@h']: 'redis://***@h' is not "
             "an alias; give a name (str)"),
            ({1: URL}, "REDIS_POOLS[1]: 1 is not an alias; give a name (str)"),
            ({"a": "redis://h?timeout=x"}, "REDIS_POOLS['a'] (timeout): 'x' is not a number of "
             "seconds; give seconds from 0 (do not wait) up"),
            ({"a": "http://h"}, "REDIS_POOLS['a']: 'http://h' cannot be used: it must begin with "
             "one of redis://, rediss://, unix://, fakeredis://, redis+sentinel://, "
             "rediss+sentinel://, redis+cluster://, rediss+cluster://; write it as "
             "redis://user:password@host:6379/0"),
            ({"a": f"redis+sentinel://:{SECRET}@h/0"}, "REDIS_POOLS['a']: "
             "'redis+sentinel://***@h/0' cannot be used: its path must be the name that the "
             "Sentinels have for the service, and the number of a database, as in /mymaster/0; "
             "write it as redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0"),
            ({"a": f"rediss+cluster://:{SECRET}@h:x,h"}, "REDIS_POOLS['a']: 'rediss+cluster://***' "
             "cannot be used: its address is not [user:password@]host[:port],host[:port],...; any "
             "of / ? # @ % in a password must be percent-encoded (%2F %3F %23 %40 %25), a port is "
             "a whole number from 1 to 65535; write it as "
             "rediss+cluster://user:password@host1:6379,host2:6379"),
        ],
    )  # fmt: skip
    def test_wrong_mapping_is_named(self, pools: object, message: str):
        """Mistakes above the single setting: the mapping, an alias, a URL that stands alone."""
        assert [str(problem) for problem in find_problems(pools)] == [message]

    def test_all_problems_come_at_once(self):
        """One start shows every mistake, of every pool and every place."""
        pools = {
            "a": {"URL": "http://h", "TIMEOUT": -1, "OPTIONS": {"socket_timeot": 1, "db": -1}},
            "b": "redis://h?timeout=x&max_connections=0",
        }

        with pytest.raises(ConfigError) as caught:
            read_settings(pools, "settings.REDIS_POOLS")

        assert [problem.path for problem in caught.value.problems] == [
            "settings.REDIS_POOLS['a']['URL']",
            "settings.REDIS_POOLS['a']['TIMEOUT']",
            "settings.REDIS_POOLS['a']['OPTIONS']['socket_timeot']",
            "settings.REDIS_POOLS['a']['OPTIONS']['db']",
            "settings.REDIS_POOLS['b'] (timeout)",
            "settings.REDIS_POOLS['b'] (max_connections)",
        ]
        assert str(caught.value).count("\n") == 5

    @pytest.mark.parametrize(
        ("entry", "code"),
        [
            ({"URL": URL, "COLOUR": 1}, "E001"),
            ({"URL": URL, "TIMEOUT": "1"}, "E002"),
            ({"URL": URL, "TIMEOUT": -1}, "E003"),
            ({"URL": URL, "OPTIONS": {"db": 1}}, "E004"),
            ({}, "E005"),
            ("http://h", "E006"),
            ({"URL": URL, "OPTIONS": {"colour": 1}}, "E007"),
        ],
    )
    def test_problem_has_a_stable_code(self, entry: object, code: str):
        """Django's checks are silenced by these codes, so they stay."""
        assert [problem.code for problem in find_problems({"default": entry})] == [code]

    def test_good_settings_have_no_problems(self):
        """`find_problems` returns what `read_settings` would raise."""
        assert find_problems({"default": URL}) == []

    def test_error_survives_pickling(self):
        """A start-up error can cross a process boundary with its problems."""
        with pytest.raises(ConfigError) as caught:
            read_settings({"default": "http://h"})
        error = caught.value
        copies = [pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)]

        assert [(str(each), each.problems) for each in copies] == [(str(error), error.problems)] * 3


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


class TestEquality:
    """One pool per config: what counts as the same one."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("redis://h?timeout=3&max_connections=4", {"TIMEOUT": 3, "MAX_CONNECTIONS": 4}),
            ("redis://h/1?socket_timeout=2", {"OPTIONS": {"db": 1, "socket_timeout": 2.0}}),
            ("redis://u:p%40@h", {"OPTIONS": {"password": "p@", "username": "u"}}),
            ("redis://h?db=1", {"URL": "REDIS://h/1"}),
        ],
    )
    def test_place_of_a_setting_does_not_matter(self, one: str, other: dict[str, Any]):
        """Query, path or mapping: equal settings are equal, and hash alike."""
        first, second = read_one(one), read_one({"URL": "redis://h"} | other)

        assert first == second
        assert hash(first) == hash(second)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("redis+sentinel://h1,h2/mymaster", "redis+sentinel://h1:26379,H2:26379/mymaster/"),
            ("redis+sentinel://h1/mymaster/2", "redis+sentinel://h1/mymaster?db=2"),
            (
                "redis+sentinel://h1/mymaster?role=replica",
                {"URL": "redis+sentinel://h1/mymaster", "OPTIONS": {"role": "replica"}},
            ),
            ("redis+cluster://h1:6379,[::1]", "redis+cluster://h1,[::1]:6379"),
        ],
    )
    def test_usual_port_may_be_left_out_of_a_list(self, one: str, other: object):
        """A list of addresses is compared by what it means."""
        assert read_one(one) == read_one(other)

    @pytest.mark.parametrize(
        "other",
        [
            "redis+sentinel://h1,h3/mymaster",
            "redis+sentinel://h1/mymaster",
            "redis+sentinel://h1,h2/other",
            "redis+sentinel://h1,h2/mymaster/1",
            "redis+sentinel://h1,h2/mymaster?role=replica",
            "rediss+sentinel://h1,h2/mymaster",
        ],
    )
    def test_other_sentinels_or_another_service_are_another_pool(self, other: str):
        """Each part of such a URL counts."""
        assert read_one("redis+sentinel://h1,h2/mymaster") != read_one(other)

    @pytest.mark.parametrize(
        "other",
        [
            "redis://other",
            "rediss://h",
            "redis://h/1",
            "redis://:p@h",
            "redis://h?timeout=9",
            {"URL": "redis://h", "OPTIONS": {"socket_timeout": 9}},
        ],
    )
    def test_different_settings_are_not_equal(self, other: object):
        """Anything that makes another connection makes another pool."""
        assert read_one("redis://h") != read_one(other)

    def test_two_aliases_are_two_pools(self):
        """Two names for one server are somebody's wish for two bounds."""
        configs = read_settings({"a": URL, "b": URL})

        assert configs["a"] != configs["b"]

    def test_options_that_do_not_hash_do_not_matter(self):
        """Lists and dicts are common among redis-py's arguments."""
        options = {"retry_on_error": [redis.TimeoutError], "socket_keepalive_options": {1: 1}}
        entry = {"URL": URL, "OPTIONS": options}

        assert len({read_one(entry), read_one(entry)}) == 1

    def test_record_cannot_be_changed(self):
        """Settings are read once."""
        with pytest.raises(AttributeError):
            read_one(URL).timeout = 5  # type: ignore[misc]

    def test_mapping_changed_later_does_not_change_the_record(self):
        """The record has its own copy of OPTIONS."""
        options = {"socket_timeout": 1}
        config = read_one({"URL": URL, "OPTIONS": options})
        options["socket_timeout"] = 2

        assert config.options["socket_timeout"] == 1


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["redis://", "rediss://", "unix://", "http://", "redis+sentinel://", ""]),
        st.sampled_from(["", "u:p@", ":@", "@@"]) | st.text(),
        st.sampled_from(["", "h", "[::1]", "h:6379", "h:0", "h:x", "h,[::1]:1"]) | st.text(),
        st.sampled_from(["", "/", "/1", "/a", "/1/2"]) | st.text(),
        st.sampled_from(["", "?", "?db=2", "?timeout=1", "?retry=1", "?x=1&x=2", "#f"]) | st.text(),
    ),
)
NAMES = st.sampled_from(
    ["connection_class", "db", "host", "password", "retry", "socket_timeout", "ssl_ca_certs"]
)
OPTIONS = st.dictionaries(NAMES | st.text() | st.integers(), ANYTHING | URLS, max_size=4)
ENTRIES = st.fixed_dictionaries(
    {"URL": URLS | ANYTHING},
    optional={
        "MAX_CONNECTIONS": ANYTHING,
        "TIMEOUT": ANYTHING,
        "MAX_WAITING": ANYTHING,
        "QUEUE_DISCIPLINE": ANYTHING,
        "QUEUE_TARGET": ANYTHING,
        "QUEUE_INTERVAL": ANYTHING,
        "RESERVED": ANYTHING
        | st.dictionaries(st.sampled_from(["high", "normal", "low"]), ANYTHING),
        "MAX_CONNECTING": ANYTHING,
        "HOLD": ANYTHING,
        "OPTIONS": OPTIONS | ANYTHING,
        "OTHER": ANYTHING,
    },
)


class TestWhateverIsWritten:
    """Properties of the reader, on settings that nobody would think of."""

    @given(
        st.dictionaries(st.text() | st.integers(), ENTRIES | URLS | ANYTHING, max_size=3) | ANYTHING
    )
    @settings(deadline=None)
    @example({"default": {"URL": "redis://[x"}})
    @example({"default": {"URL": URL, "TIMEOUT": 10**400}})
    @example({"default": {"URL": URL, "OPTIONS": {"connection_class": "redis.Connection"}}})
    def test_reader_returns_records_or_raises_its_own_error(self, pools: object):
        """No settings make the reader fail in any other way."""
        if find_problems(pools):  # anything but a ConfigError would have been raised here
            with pytest.raises(ConfigError):
                read_settings(pools)
        else:
            configs = read_settings(pools)
            assert configs == read_settings(pools)
            assert all(isinstance(config, PoolConfig) for config in configs.values())

    @given(noise=st.text("#/@?&=+%:; []\\'\"x0\u00e4\u2100", max_size=6))
    @settings(deadline=None, max_examples=50)
    @example(noise="")
    @example(noise="@")
    @example(noise="&")
    @example(noise="#@/")
    @example(noise="\u2100")
    def test_secret_is_in_no_text(self, noise: str):
        """A credential shows nowhere, escaped or not, at its place or at a wrong one."""
        for pools in settings_with(SECRET + noise + SECRET):
            for text in texts_about(pools):
                assert SECRET not in text


def settings_with(secret: str) -> list[object]:
    """Return settings of all kinds, right ones and wrong ones, with a secret in them."""
    urls = [
        f"redis://user:{secret}@host:6379/0",
        f"redis://{secret}:x@host:6379/0",
        f"redis://:{secret}@host:port/0",
        f"rediss://{secret}@",
        f"unix://:{secret}@/run/redis.sock",
        f"http://user:{secret}@host",
        f"user:{secret}@host:6379",
        f"redis://host?password={secret}",
        f"redis://host?pasword={secret}",
        f"redis://host/x?timeout=x&username={secret}",
        f"redis://:right@host?password={secret}",
    ]
    options = [
        {name: value}
        for name in ("password", "username", "ssl_password", "credential_provider")
        for value in (secret, [secret], {secret: 1}, secret.encode("utf-8"), (secret,))
    ]
    wrong_places = [
        {f"redis://:{secret}@h": "redis://h"},
        {"default": [secret]},
        {"default": {"URL": [secret]}},
        {"default": {"URL": "redis://h", "OPTIONS": [secret]}},
        {"default": {"URL": "redis://h", "TIMEOUT": {secret}}},
        {"default": {"URL": "redis://h", "TIMEOUT": secret.encode("utf-8")}},
        {"default": {"URL": "redis://h", "TIMEOUT": f"redis://:{secret}@h"}},
        f"redis://:{secret}@h",
    ]
    return [
        *({"default": url} for url in urls),
        *({"default": {"URL": url, "TIMEOUT": -1, "OPTIONS": {"db": -1}}} for url in urls),
        *({"default": {"URL": "rediss://h", "OPTIONS": each}} for each in options),
        *({"default": {"URL": "rediss://:x@h", "OPTIONS": each}} for each in options),
        *wrong_places,
    ]


def texts_about(pools: object) -> list[str]:
    """Return everything that a log, a traceback or a page could show about settings."""
    try:
        configs = read_settings(pools)
    except ConfigError as error:
        chain = [error, error.__cause__, error.__context__]
        return [str(error), repr(error), repr(error.problems), repr(chain), str(error.args)]
    return [repr(configs)]
