"""OpenTelemetry: names, sums, times one by one, events on spans; nothing twice."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
import redis
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from redis_pool_ext import AsyncRedisPool, ConnectionPoolTimeoutError, RedisPool
from redis_pool_ext.metrics import opentelemetry as ours
from redis_pool_ext.metrics.table import BUCKETS, COUNTERS, GAUGES, POOL, TIMES
from redis_pool_ext.observing import observers

from ..support.stub import StubConnection
from .readers import Telemetry

ALIAS = "telemetry"


def make_pool(**settings: Any) -> RedisPool:
    settings = {"max_connections": 2, "timeout": 0, "housekeeping_interval": None} | settings
    return RedisPool(StubConnection, alias=ALIAS, **settings)


class TestNames:
    """What the conventions say."""

    @pytest.mark.parametrize("metric", [*GAUGES, *COUNTERS, *TIMES], ids=lambda each: each.name)
    def test_name_and_instrument_are_the_conventions(self, metric, telemetry: Telemetry):
        """As OpenTelemetry's own library of them has it; but for two that are ours."""
        db_metrics = pytest.importorskip("opentelemetry.semconv._incubating.metrics.db_metrics")
        names = {
            value for name, value in vars(db_metrics).items() if name.startswith("DB_CLIENT_CONN")
        }

        assert metric.name in names or metric.name.startswith("redis_pool.")

    def test_units_and_kinds_are_the_conventions(self, telemetry: Telemetry):
        """Compared with the instruments that their library makes."""
        db_metrics = pytest.importorskip("opentelemetry.semconv._incubating.metrics.db_metrics")
        pool = make_pool()
        pool.release(pool.get_connection())
        with pytest.raises(ConnectionPoolTimeoutError):
            _exhaust(pool)

        reader = InMemoryMetricReader()
        meter = MeterProvider([reader]).get_meter("conventions")
        for name in dir(db_metrics):
            if name.startswith("create_db_client_connection_"):
                instrument = getattr(db_metrics, name)(meter)
                getattr(instrument, "record" if hasattr(instrument, "record") else "add")(1)
        [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
        wanted = {metric.name: metric for metric in scope.metrics}

        found = telemetry.metrics()
        for name in found.keys() & wanted.keys():
            assert found[name].unit == wanted[name].unit, name
            assert type(found[name].data) is type(wanted[name].data), name
        theirs = {name for name in wanted if ".connections." not in name}  # without old ones
        assert theirs <= found.keys()

    def test_pool_and_state_are_the_only_attributes(self, telemetry: Telemetry):
        """Besides those of our own two."""
        pool = make_pool()
        pool.release(pool.get_connection())

        used = {
            name: {key for point in metric.data.data_points for key in point.attributes}
            for name, metric in telemetry.metrics().items()
        }
        assert used.pop("db.client.connection.count") == {POOL, "db.client.connection.state"}
        assert used.pop("redis_pool.rejections") == {POOL, "error.type"}
        assert {frozenset(each) for each in used.values()} == {frozenset({POOL})}

    def test_buckets_are_those_that_are_advised(self, telemetry: Telemetry):
        """Of all three histograms."""
        pool = make_pool()
        pool.release(pool.get_connection())

        found = telemetry.metrics()
        for times in TIMES:
            [point] = found[times.name].data.data_points
            assert tuple(point.explicit_bounds) == BUCKETS


def _exhaust(pool: RedisPool) -> None:
    held = [pool.get_connection() for _ in range(pool.max_connections)]
    try:
        pool.get_connection()
    finally:
        for connection in held:
            pool.release(connection)


class TestNumbers:
    """What is told of a pool."""

    def test_sizes_are_those_of_the_moment(self, telemetry: Telemetry):
        """In use, idle, bounds."""
        pool = make_pool(max_connections=4, max_idle=3, min_idle=1)
        out = [pool.get_connection() for _ in range(3)]
        pool.release(out.pop())

        points = telemetry.points(ALIAS)
        assert points["db.client.connection.count", "used"] == 2
        assert points["db.client.connection.count", "idle"] == 1
        assert points["db.client.connection.max",] == 4
        assert points["db.client.connection.idle.max",] == 3
        assert points["db.client.connection.idle.min",] == 1
        assert points["db.client.connection.pending_requests",] == 0

    def test_wait_in_vain_is_recorded(self, telemetry: Telemetry):
        """In the histogram of waits, and among the timeouts."""
        pool = make_pool(timeout=0.01)
        with pytest.raises(ConnectionPoolTimeoutError):
            _exhaust(pool)

        points = telemetry.points(ALIAS)
        ups, seconds = points["db.client.connection.wait_time",]
        assert (ups[-1], points["db.client.connection.timeouts",]) == (3, 1)
        assert ups[BUCKETS.index(0.005)] == 2
        assert seconds >= 0.01

    def test_return_is_recorded_before_the_next_lease(self, telemetry: Telemetry):
        """Nobody has to come first."""
        pool = make_pool()
        pool.release(pool.get_connection())

        assert telemetry.points(ALIAS)["db.client.connection.use_time",][0][-1] == 1

    def test_return_takes_no_lock_of_the_histogram(self, telemetry: Telemetry):
        """A finalizer may give back in the middle of a thread's own recording."""
        pool = make_pool()
        out = pool.get_connection()
        recorder = observers[-1]
        recorder._uses = None  # recording would fail

        pool.release(out)
        assert len(recorder._returned) == 1
        recorder._returned.clear()

    def test_pools_of_threads_and_of_loops_are_one(self, telemetry: Telemetry, url: str):
        """Two pools of one alias are reported once, in sum."""
        pool = make_pool()
        pool.release(pool.get_connection())

        async def use() -> AsyncRedisPool:
            pool = AsyncRedisPool.from_url(url, alias=ALIAS, max_connections=3)
            await pool.release(await pool.get_connection())
            points = telemetry.points(ALIAS)
            assert points["db.client.connection.max",] == 5
            assert points["db.client.connection.count", "idle"] == 2
            assert points["db.client.connection.wait_time",][0][-1] == 2
            return pool

        kept = asyncio.run(use())
        assert telemetry.points(ALIAS)["db.client.connection.wait_time",][0][-1] == 2
        del kept

    def test_counter_never_steps_back(self, telemetry: Telemetry):
        """Whether pools go, or a number is taken back."""
        pool = make_pool()
        with pytest.raises(ConnectionPoolTimeoutError):
            _exhaust(pool)
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 1
        pool._ledger.counters.timed_out -= 1
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 1
        pool._ledger.counters.timed_out += 1
        del pool
        gc.collect()
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 1

        other = make_pool()
        with pytest.raises(ConnectionPoolTimeoutError):
            _exhaust(other)
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 2


class TestSwitch:
    """On, off, and on again."""

    def test_nothing_is_told_when_it_is_off(self):
        """And nobody observes."""
        telemetry = Telemetry()
        ours.instrument(telemetry.provider)
        pool = make_pool()
        pool.release(pool.get_connection())
        ours.uninstrument()
        ours.uninstrument()
        before = telemetry.points(ALIAS)["db.client.connection.wait_time",]
        pool.release(pool.get_connection())

        points = telemetry.points(ALIAS)
        assert points["db.client.connection.wait_time",] == before
        assert ("db.client.connection.max",) not in points
        assert observers == []
        telemetry.close()

    def test_on_again_reports_once(self, recwarn):
        """The instruments are those of before."""
        telemetry = Telemetry()
        for _ in range(2):
            ours.instrument(telemetry.provider)
            pool = make_pool()
            pool.release(pool.get_connection())
            ours.uninstrument()
        ours.instrument(telemetry.provider)

        data = telemetry.metrics()["db.client.connection.max"].data
        assert len([p for p in data.data_points if p.attributes[POOL] == ALIAS]) == 1
        assert telemetry.points(ALIAS)["db.client.connection.wait_time",][0][-1] == 2
        ours.uninstrument()
        telemetry.close()
        assert pool is not None

    def test_twice_on_is_an_error(self, telemetry: Telemetry):
        """It says what to do."""
        with pytest.raises(RuntimeError, match="call uninstrument"):
            ours.instrument(telemetry.provider)

    def test_impossible_wait_is_an_error(self):
        """It names the argument and the value."""
        with pytest.raises(ValueError, match=r"long_wait.*-1"):
            ours.instrument(long_wait=-1)
        assert observers == []


class TestSpans:
    """What stands on the span of who waited."""

    @pytest.fixture
    def spans(self):
        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        yield provider.get_tracer("test"), exporter
        provider.shutdown()

    def test_long_wait_is_an_event(self, telemetry: Telemetry, spans):
        """With the seconds and the pool; in vain also with the reason."""
        tracer, exporter = spans
        pool = make_pool(timeout=0.01)
        with tracer.start_as_current_span("view"), pytest.raises(ConnectionPoolTimeoutError):
            _exhaust(pool)

        events = exporter.get_finished_spans()[0].events
        event = events[-1]
        assert event.name == "redis_pool.wait"
        assert event.attributes[POOL] == ALIAS
        assert event.attributes["error.type"] == "timed_out"
        assert (
            event.attributes["redis_pool.wait.duration"]
            >= event.attributes["redis_pool.wait.queued"]
            >= 0.01
        )

    def test_short_wait_is_none(self, telemetry: Telemetry, spans):
        """An idle connection at hand."""
        tracer, exporter = spans
        pool = make_pool()
        pool.release(pool.get_connection())
        with tracer.start_as_current_span("view"):
            pool.release(pool.get_connection())

        assert exporter.get_finished_spans()[0].events == ()

    def test_what_is_long_is_an_argument(self, spans):
        """A dial of some microseconds, for whom everything is long."""
        tracer, exporter = spans
        telemetry = Telemetry()
        ours.instrument(telemetry.provider, long_wait=0.0)
        with tracer.start_as_current_span("view"):
            pool = make_pool()
            pool.release(pool.get_connection())
        ours.uninstrument()
        telemetry.close()

        [event] = exporter.get_finished_spans()[0].events
        assert "error.type" not in event.attributes


class TestBesideRedisPy:
    """redis-py's own recorder, switched on for the same provider."""

    @pytest.fixture
    def theirs(self, url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch):
        # After `url`, whose own client has a pool of redis-py's.
        observability = pytest.importorskip("redis.observability")
        from opentelemetry import metrics
        from redis.observability import recorder
        from redis.observability.config import MetricGroup

        monkeypatch.setattr(metrics, "get_meter_provider", lambda: telemetry.provider)
        found = observability.get_observability_instance()
        found.init(observability.OTelConfig(metric_groups=list(MetricGroup)))
        recorder.reset_collector()
        yield
        found.shutdown()
        recorder.reset_collector()

    def test_no_fact_is_told_twice(self, theirs: None, telemetry: Telemetry, url: str):
        """Theirs is on and tells of commands; what is of the pool comes from ours alone."""
        pool = RedisPool.from_url(url, alias=ALIAS, max_connections=1, timeout=0)
        with pool.lease() as client:
            client.ping()
            with pytest.raises(ConnectionPoolTimeoutError):
                pool.get_connection()
        redis.Redis(connection_pool=pool).ping()  # type: ignore[arg-type]
        pool.close()

        of_pools, of_redis_py = telemetry.metrics(), telemetry.metrics("redis-py")
        assert "db.client.operation.duration" in of_redis_py  # it is on
        assert not of_redis_py.keys() & of_pools.keys()
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 1

    def test_no_fact_of_tasks_is_told_twice(self, theirs: None, telemetry: Telemetry, url: str):
        """Their recorder for asyncio is another one."""
        from redis.asyncio.observability import recorder

        recorder.reset_collector()

        async def use() -> None:
            pool = AsyncRedisPool.from_url(url, alias=ALIAS, max_connections=1, timeout=0)
            async with pool.lease() as client:
                await client.ping()
                with pytest.raises(ConnectionPoolTimeoutError):
                    await pool.get_connection()
            await pool.client.ping()
            await pool.close()

        asyncio.run(use())
        recorder.reset_collector()
        of_pools, of_redis_py = telemetry.metrics(), telemetry.metrics("redis-py")
        assert "db.client.operation.duration" in of_redis_py
        assert not of_redis_py.keys() & of_pools.keys()
        assert telemetry.points(ALIAS)["db.client.connection.timeouts",] == 1

    def test_their_question_for_counts_is_answered_by_who_tells_them(self, telemetry: Telemetry):
        """redis-py 7.2 and 7.3 ask every pool, to report what we report."""
        pool = make_pool()
        pool.release(pool.get_connection())
        assert pool.get_connection_count() == []

        ours.uninstrument()
        assert [count for count, _ in pool.get_connection_count()] == [1, 0]
