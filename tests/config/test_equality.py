"""One pool per config: what counts as the same one."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from redis_pool_ext.config import read_settings

from .entries import URL, read_one


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
