"""What the author of a mistake reads."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import redis
from redis.credentials import UsernamePasswordCredentialProvider

from redis_pool_ext import ConfigError
from redis_pool_ext.config import find_problems, read_settings

from .entries import BY_SENTINEL, IS_TEXT, SAY_ONCE, SECRET, URL, messages_for

# Each kind of mistake with the whole of what its author reads.
KEYS = (
    "URL, MAX_CONNECTIONS, TIMEOUT, MAX_WAITING, QUEUE_DISCIPLINE, QUEUE_TARGET, QUEUE_INTERVAL, "
    "RESERVED, MAX_CONNECTING, HOLD, MIN_IDLE, MAX_IDLE, IDLE_TIMEOUT, MAX_LIFETIME, "
    "VALIDATE_AFTER, LEAK_DETECTION_THRESHOLD, HOUSEKEEPING_INTERVAL, OPTIONS"
)
IN_URL = "it is a part of URL, as in redis://user:password@host:6379/0"
IS_OBJECT = "it is an object, which no text and no URL can hold"
LIMIT = "is not a time that one can wait; give seconds above 0, or None for no limit"
WAIT = "is not a time that one can wait; give seconds from 0 (do not wait) up"
RESERVATION = "a mapping of priority to a number of connections"
RESERVE = "give numbers for 'high' or 'normal' or both, as in {'high': 2}"
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
