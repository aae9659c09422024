"""Properties of the reader, on settings that nobody would think of."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_pool_ext import ConfigError, PoolConfig
from redis_pool_ext.config import find_problems, read_settings

from .entries import SECRET, URL

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
