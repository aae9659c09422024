"""Readiness and liveness: what is known without asking, what is asked, and how long that takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from redis_pool_ext import (
    ConfigError,
    PoolExhaustedError,
    RedisPool,
    close_async_pools,
    configure,
    get_async_pool,
    get_pool,
)
from redis_pool_ext.embedded import EmbeddedRedis
from redis_pool_ext.http import Answer
from redis_pool_ext.process import pools
from redis_pool_ext.status.health import alive, aready, ready
from redis_pool_ext.status.hearsay import hearsay_of
from redis_pool_ext.status.policy import HealthPolicy

from ..support.forks import FORK_WARNS, in_child
from ..support.proxy import FaultyProxy
from ..support.threads import spawn, wait_until

Ask = Callable[..., Answer]


@pytest.fixture
def proxy(redis_server: EmbeddedRedis) -> Iterator[FaultyProxy]:
    """What stands between the pools and the server."""
    with FaultyProxy(redis_server.port) as proxy:
        yield proxy


def settings(url: str, **more: Any) -> dict[str, Any]:
    return {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 20, "HOUSEKEEPING_INTERVAL": None} | more


def configured(url: str, **more: Any) -> RedisPool:
    """Have one pool in the process, and return it."""
    configure({"default": settings(url, **more)})
    return get_pool()


def in_a_loop(policy: HealthPolicy, query: dict[str, str]) -> Answer:
    async def main() -> Answer:
        try:
            return await aready(policy, query)
        finally:
            await close_async_pools()

    return asyncio.run(main())


@pytest.fixture(params=[ready, in_a_loop], ids=["threads", "tasks"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks for readiness; the settings are those of `REDIS_POOL_HEALTH`."""

    def ask(query: dict[str, str] | None = None, **policy: Any) -> Answer:
        return request.param(HealthPolicy.read(policy), query or {})

    return ask


def told(answer: Answer) -> tuple[int, str, Any]:
    body = json.loads(answer.body)
    return answer.status, body["status"], body["pools"]


# -- alive ---------------------------------------------------------------------------------


def test_process_is_alive_without_pools_or_settings():
    """It answers: that is all there is to it."""
    answer = alive()
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "alive"})
    assert answer.headers == {"Cache-Control": "no-store"}
    assert pools() == []


def test_process_is_alive_while_its_pool_is_locked(url):
    """Whoever holds the pool's lock, and for however long."""
    pool = configured(url)
    with pool._lock:
        assert spawn(alive).result().status == 200


# -- ready ---------------------------------------------------------------------------------


def test_process_that_has_not_served_yet_asks_the_server(ask, url):
    """Before the first request goes there."""
    configured(url)
    assert told(ask()) == (200, "ready", {"default": "ok"})


def test_answer_is_small_json_that_nobody_keeps(ask, url):
    """It says aliases and states, and no address."""
    configured(url)
    answer = ask()
    assert answer.headers == {"Cache-Control": "no-store"}
    assert answer.content_type == "application/json"
    assert "127.0.0.1" not in answer.body


def test_server_that_was_heard_of_just_now_is_not_asked(proxy):
    """A pool in use says so itself; nothing is sent."""
    pool = configured(proxy.url)
    with pool.lease() as client:
        client.ping()
    proxy.swallow()
    assert told(ready(HealthPolicy(), {})) == (200, "ready", {"default": "ok"})
    assert pool.stats().discarded == {}


def test_server_that_was_not_heard_of_for_a_while_is_asked(proxy, clock):
    """A second later, on the connection that idles."""
    pool = configured(proxy.url)
    with pool.lease() as client:
        client.ping()
    clock.advance(2)
    proxy.cut()
    proxy.refuse()
    assert told(ready(HealthPolicy(), {})) == (503, "unready", {"default": "unreachable"})


def test_server_that_refuses_makes_it_unready(ask, proxy):
    """Nothing listens there."""
    configured(proxy.url)
    proxy.refuse()
    assert told(ask()) == (503, "unready", {"default": "unreachable"})


def test_black_hole_is_answered_for_in_time(ask, proxy):
    """Three pools, whose server accepts and says nothing: one second for all of them."""
    configure({name: settings(proxy.url, MAX_CONNECTIONS=3) for name in ("default", "a", "b")})
    proxy.swallow()
    began = time.monotonic()
    status, _, states = told(ask(TIMEOUT=0.3))
    assert time.monotonic() - began < 5  # where each pool would wait for 20 s
    assert (status, set(states.values())) == (503, {"unreachable"})


def test_server_that_is_back_is_found_without_any_request(proxy, clock):
    """The probe is the one who tries again: a balancer sends nothing else meanwhile."""
    configured(proxy.url)
    proxy.refuse()
    for _ in range(4):
        assert ready(HealthPolicy(), {}).status == 503
        clock.advance(2)
    proxy.resume()
    clock.advance(10)
    assert told(ready(HealthPolicy(), {})) == (200, "ready", {"default": "ok"})


def test_full_pool_with_a_queue_is_saturated_and_answers_at_once(proxy):
    """Nothing is asked, nobody is joined in the queue, no refusal is counted."""
    pool = configured(proxy.url)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        waiters = [spawn(pool.get_connection) for _ in range(20)]
        wait_until(lambda: pool.stats().waiting == 20)
        proxy.swallow()
        assert told(ready(HealthPolicy(), {})) == (503, "unready", {"default": "saturated"})
        stats = pool.stats()
        assert (stats.waiting, stats.refused) == (20, 0)
        pool.resize(22)
        proxy.resume()
    for waiter in waiters:
        pool.release(waiter.result())


def test_full_pool_without_a_queue_is_busy_and_ready(url):
    """It works at its limit, which is what it is for."""
    pool = configured(url)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        assert told(ready(HealthPolicy(), {})) == (200, "ready", {"default": "busy"})
        assert pool.stats().acquired == 2


def test_outage_of_another_day_is_not_held_against_a_full_pool(proxy, clock):
    """Requests have found the server again meanwhile, and no probe came by."""
    pool = configured(proxy.url)
    proxy.refuse()
    assert ready(HealthPolicy(), {}).status == 503
    proxy.resume()
    clock.advance(3600)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        assert told(ready(HealthPolicy(), {})) == (200, "ready", {"default": "busy"})


def test_pool_for_threads_is_seen_from_an_event_loop(url):
    """A server of tasks may have both, and requests starve at either."""
    pool = configured(url)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        waiter = spawn(pool.get_connection)
        wait_until(lambda: pool.stats().waiting == 1)
        answer = in_a_loop(HealthPolicy(), {})
    pool.release(waiter.result())
    assert told(answer) == (503, "unready", {"default": "saturated"})


def test_full_pool_of_a_loop_is_saturated():
    """As that of threads; the loop goes on meanwhile."""

    async def main(url: str) -> Answer:
        pool = get_async_pool()
        held = [await pool.get_connection() for _ in range(2)]
        waiter = asyncio.create_task(pool.get_connection())
        while not pool.stats().waiting:
            await asyncio.sleep(0)
        answer = await aready(HealthPolicy(), {})
        for connection in held:
            await pool.release(connection)
        await pool.release(await waiter)
        await close_async_pools()
        return answer

    with EmbeddedRedis() as server:
        configure({"default": settings(server.url)})
        assert told(asyncio.run(main(server.url)))[2] == {"default": "saturated"}


def test_paused_pool_is_not_ready(url):
    """Requests would wait until somebody resumes it."""
    configured(url).pause()
    assert told(ready(HealthPolicy(), {})) == (503, "unready", {"default": "paused"})


# -- what is asked for ---------------------------------------------------------------------


def test_one_bad_pool_makes_it_unready_unless_it_is_not_asked_for(ask, url, proxy):
    """By the query, or by the setting."""
    proxy.refuse()
    configure({"default": settings(url), "reports": settings(proxy.url)})
    assert told(ask())[:2] == (503, "unready")
    assert told(ask({"pools": "default"})) == (200, "ready", {"default": "ok"})
    assert told(ask(POOLS=["default"])) == (200, "ready", {"default": "ok"})


def test_state_that_only_degrades_is_told_with_200(ask, proxy):
    """An outage of Redis need not take the whole site away."""
    configured(proxy.url)
    proxy.refuse()
    degraded = (200, "degraded", {"default": "unreachable"})
    assert told(ask(DEGRADED=["unreachable"])) == degraded
    assert told(ask({"degraded": "saturated,unreachable"})) == degraded
    assert told(ask({"degraded": ""}, DEGRADED=["unreachable"]))[0] == 503
    assert told(ask(DEGRADED=["saturated"]))[0] == 503


@pytest.mark.parametrize(
    "query", [{"pools": "defualt"}, {"pools": ""}, {"degraded": "satturated"}, {"degraded": "ok"}]
)
def test_query_that_is_mistaken_is_no_good_answer(ask, url, query):
    """A probe with a typing error would report health for ever."""
    configured(url)
    answer = ask(query)
    assert answer.status == 400
    assert not any(word in answer.body for word in query.values() if word)


def test_details_are_told_where_a_setting_says_so(url, ask):
    """Sizes and the circuit; no address, then, either."""
    configured(url)
    _, _, states = told(ask(DETAILS=True))
    assert states["default"]["state"] == "ok"
    assert states["default"]["max_connections"] == 2
    assert states["default"].keys() == {
        "state", "max_connections", "in_use", "idle", "connecting", "waiting", "circuit"
    }  # fmt: skip


def test_pool_that_is_named_twice_is_looked_at_once(url):
    """Nor can a visitor have it looked at a thousand times."""
    configured(url)
    assert HealthPolicy().asked({"pools": ",".join(["default"] * 1000)}).pools == ("default",)
    assert told(ready(HealthPolicy(), {"pools": "default,default"}))[2] == {"default": "ok"}


def test_query_cannot_ask_for_details(url):
    """Nor for more time."""
    configured(url)
    _, _, states = told(ready(HealthPolicy(), {"details": "true", "timeout": "60"}))
    assert states == {"default": "ok"}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("default", "REDIS_POOL_HEALTH: 'default' is not a mapping"),
        ({"POLS": 1}, "'POLS' is not known; known are POOLS, DEGRADED, TIMEOUT, DETAILS"),
        ({"POOLS": "default"}, "['POOLS']: 'default' is not a list"),
        ({"POOLS": []}, "['POOLS']: a value of type list is not a list of names"),
        ({"DEGRADED": ["unreachabel"]}, "did you mean 'unreachable'?"),
        ({"DEGRADED": ["ok"]}, "['DEGRADED']: 'ok' is not known"),
        ({"DEGRADED": None}, "['DEGRADED']: None is not a list"),
        ({"TIMEOUT": 0}, "['TIMEOUT']: 0 is no number of seconds"),
        ({"TIMEOUT": "1"}, "['TIMEOUT']: '1' is no number"),
        ({"TIMEOUT": 61}, "at most 60"),
        ({"DETAILS": "yes"}, "['DETAILS']: 'yes' is not True or False"),
    ],
)
def test_wrong_setting_is_named(policy, said):
    """With its value and the way out."""
    with pytest.raises(ConfigError) as raised:
        HealthPolicy.read(policy)
    assert said in str(raised.value)


# -- many who ask --------------------------------------------------------------------------


def test_those_who_ask_at_the_same_time_are_one_question(proxy):
    """Anybody may ask, and must not keep the pool's connections busy by it."""
    pool = configured(proxy.url, MAX_CONNECTIONS=20)
    proxy.swallow()
    first = spawn(ready, HealthPolicy(), {})
    wait_until(lambda: pool.stats().connecting == 1)
    assert told(ready(HealthPolicy(), {}))[2] == {"default": "unknown"}
    assert pool.stats().connecting == 1
    assert told(first.result())[2] == {"default": "unreachable"}


def test_silence_is_not_asked_again_for_a_second(proxy, clock):
    """What was heard just now is good for that long."""
    configured(proxy.url)
    proxy.refuse()
    assert ready(HealthPolicy(), {}).status == 503
    proxy.resume()
    assert ready(HealthPolicy(), {}).status == 503
    clock.advance(1.5)
    assert ready(HealthPolicy(), {}).status == 200


def test_question_that_was_interrupted_does_not_block_the_next_one(url, monkeypatch):
    """Whatever ended it."""
    pool = configured(url)

    def strike(_timeout: float) -> bool:
        raise SystemExit

    monkeypatch.setattr(pool, "probe", strike)
    with pytest.raises(SystemExit):
        ready(HealthPolicy(), {})
    monkeypatch.undo()
    assert ready(HealthPolicy(), {}).status == 200


def ask_in_the_child() -> None:
    with hearsay_of(get_pool()).asking() as is_mine:
        assert is_mine


@FORK_WARNS
@pytest.mark.alone
def test_child_of_a_fork_asks_for_itself(url):
    """Who asked in the parent is not there to answer."""
    with hearsay_of(configured(url)).asking():
        in_child(ask_in_the_child)


def test_refusals_of_others_are_no_silence(url):
    """A pool that refuses callers may have a server that answers."""
    pool = configured(url, TIMEOUT=0)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(pool.lease()).ping()
        with pytest.raises(PoolExhaustedError):
            pool.get_connection()
        assert told(ready(HealthPolicy(), {}))[0] == 200
