"""On a real server the leased client answers as redis-py's own, call by call."""

from __future__ import annotations

from contextlib import suppress

import pytest
import redis

from ..support.server import Server
from .calls import LIVE
from .pairs import CONFIGURATIONS, pair

# Commands that redis-py calls deprecated or experimental are commands, too.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:.*experimental:UserWarning"
)


def clear(admin: redis.Redis) -> None:
    """Forget everything that an earlier group can have left on the server."""
    admin.flushall()
    admin.script_flush()
    admin.config_resetstat()
    admin.slowlog_reset()
    admin.acl_log_reset()
    with suppress(redis.ResponseError):  # before Redis 7 there are none
        admin.function_flush()


@pytest.mark.parametrize("group", LIVE)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_calls_give_the_same(real_server: Server, configuration, group):
    """Replies with their types, exceptions with their texts, in every way of reading them."""
    url = f"{real_server.url}?socket_timeout=30"
    with real_server.admin() as admin, pair(url, **CONFIGURATIONS[configuration]) as both:
        both.assert_same(LIVE[group], before=lambda: clear(admin))
