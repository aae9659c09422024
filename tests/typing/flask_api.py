# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The Flask wing, used as projects do: checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import redis
from flask import Flask, g
from flask.views import MethodView

from redis_pool_ext import RedisPool
from redis_pool_ext.client import LeasedPipeline, LeasedRedis
from redis_pool_ext.flask import (
    FlaskRedisPool,
    current_redis,
    redis_alias,
    redis_optional,
    redis_required,
)
from redis_pool_ext.shared import SharedRedis

app = Flask(__name__)

# -- the extension -------------------------------------------------------------------------

redis_pool = FlaskRedisPool(app)
later = FlaskRedisPool()
later.init_app(app)
assert_type(redis_pool.pool, RedisPool)
assert_type(redis_pool.client, SharedRedis)
a_client_that_an_extension_keeps: redis.Redis = redis_pool.client

FlaskRedisPool("app")  # type: ignore[arg-type]
later.init_app()  # type: ignore[call-arg]
redis_pool.pool = RedisPool()  # type: ignore[misc]

# -- the client ----------------------------------------------------------------------------


@app.get("/")
def index() -> str:
    assert_type(current_redis, LeasedRedis)
    assert_type(current_redis.incrby("hits"), int)
    assert_type(current_redis.get("hits"), bytes | str | None)
    assert_type(current_redis.is_degraded, bool)
    assert_type(current_redis.pipeline(), LeasedPipeline)
    current_redis.release()
    current_redis.get(["hits"])  # type: ignore[arg-type]
    current_redis.relaese()  # type: ignore[attr-defined]
    return str(current_redis.incrby("hits"))


@app.get("/g")
def on_g() -> str:
    client: LeasedRedis = g.redis  # what is on `g` has no type, until it is given one
    return str(client.incrby("hits"))


# -- decorators keep the view's signature ----------------------------------------------------


@app.get("/report/<int:year>")
@redis_alias("reports")
def report(year: int) -> str:
    return str(year)


@redis_required
def vote(poll: int) -> str:
    return str(poll)


@redis_required(alias="reports", budget=2.0, priority="low", eager=False)
async def slow(poll: int) -> str:
    return str(poll)


@redis_optional
def visits() -> str:
    return "many"


@redis_optional(default=b"many", alias="reports", budget=2.0, priority="high")
def counted(*, page: str) -> str:
    return page


class Report(MethodView):
    decorators = [redis_alias("reports"), redis_optional(default=0)]  # noqa: RUF012  as Flask has it

    @redis_required
    def post(self) -> str:
        return index()


async def calls_them() -> None:
    assert_type(report(2026), str)
    assert_type(vote(poll=1), str)
    assert_type(await slow(1), str)
    assert_type(visits(), str)
    assert_type(counted(page="1"), str)
    assert_type(Report().post(), str)

    report("2026")  # type: ignore[arg-type]
    vote()  # type: ignore[call-arg]
    counted("1")  # type: ignore[call-arg]


redis_alias()  # type: ignore[call-arg]
redis_required("reports")  # type: ignore[call-overload]
redis_optional(eager=True)  # type: ignore[call-overload]
