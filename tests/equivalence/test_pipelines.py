"""Pipelines and transactions on a lease do what redis-py's do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from ..faults.parsers import PARSERS
from .pairs import CONFIGURATIONS, pair
from .recorder import Recorder, assert_same
from .replies import ERROR, OK, array, bulk
from .test_wire import talk

KINDS = pytest.mark.parametrize("transaction", [True, False])
CONFIGURED = pytest.mark.parametrize("configuration", CONFIGURATIONS)


def compare(server, calls: Callable[[Recorder], None], **options) -> None:
    with server.admin() as admin, pair(server.url, **options) as both:
        both.assert_same(calls, before=admin.flushall)


# -- on a server ---------------------------------------------------------------------------


@CONFIGURED
@KINDS
def test_results_are_the_same(real_server, configuration, transaction):
    """Of commands with and without a response callback, one at a time and chained."""

    def calls(r):
        p = r.on("pipeline", transaction)
        p.execute()
        p.set("k", "v")
        p.get("k")
        p.hset("h", mapping={"a": 1, "b": "naïve ✓"})
        p.hgetall("h")
        p.zadd("z", {"m": 1.5})
        p.zrange("z", 0, -1, withscores=True)
        p.zscore("z", "m")
        p.smembers("none")
        p.geoadd("g", (13.3, 38.1, "p"))
        p.geopos("g", "p")
        p.xadd("s", {"f": "v"}, id="1-1")
        p.xrange("s")
        p.config_get("timeout")
        p.execute_command("GET", "k", keys=["k"])
        p.execute_command("GET", "k", NEVER_DECODE=True)
        p.__len__()
        p.execute()
        p.__len__()
        p.get("k")
        p.reset()
        p.execute()

    compare(real_server, calls, **CONFIGURATIONS[configuration])


@pytest.mark.parametrize("parser", PARSERS)
@KINDS
@pytest.mark.parametrize("raises", [True, False])
def test_errors_within_are_the_same(real_server, parser, transaction, raises):
    """In their places, or the first of them raised, and the next execute() begins anew."""

    def calls(r):
        p = r.on("pipeline", transaction)
        p.set("k", "v")
        p.incr("k")
        p.lpush("k", 1)
        p.get("k")
        p.execute(raise_on_error=raises)
        p.get("k")
        p.execute(raise_on_error=raises)
        p.execute_command("nonsense")
        p.set("k", 1)
        p.execute(raise_on_error=raises)
        p.set("k", None)
        p.execute(raise_on_error=raises)
        p.zrange("k", 0, 1, byscore=True, bylex=True)
        p.execute(raise_on_error=raises)
        p.get("k")
        p.execute(raise_on_error=raises)

    compare(real_server, calls, **PARSERS[parser])


@KINDS
def test_empty_responses_are_the_same(real_server, transaction):
    """What is answered in place of an error stands in the error's place."""

    def calls(r):
        p = r.on("pipeline", transaction)
        p.set("k", "v")
        p.sort("k", get=[], alpha=True)
        p.execute_command("INCR", "k", EMPTY_RESPONSE="empty")
        p.get("k")
        p.execute(raise_on_error=False)

    compare(real_server, calls)


@CONFIGURED
def test_watching_is_the_same(real_server, configuration):
    """Commands run at once until multi(), and are queued after it."""

    def calls(r):
        p = r.on("pipeline")
        p.watch("k")
        p.get("k")
        p.hgetall("h")
        p.incr("h")
        p.multi()
        p.set("k", "v")
        p.multi()
        p.watch("l")
        p.execute()
        p.get("k")
        p.execute()
        p.watch("k")
        p.unwatch()
        p.get("k")
        p.execute()
        p.watch("k")
        p.execute()
        p.set("k", 1)
        p.multi()
        p.reset()
        p.unwatch()
        p.discard()
        p.execute()

    compare(real_server, calls, **CONFIGURATIONS[configuration])


def test_changed_key_is_the_same_error(real_server):
    """Between WATCH and EXEC, by somebody else; the pipeline can be used again."""

    def calls(r):
        with real_server.admin() as somebody_else:
            p = r.on("pipeline")
            p.watch("k")
            somebody_else.set("k", "changed")
            p.multi()
            p.set("k", "mine")
            p.execute()
            p.get("k")
            p.execute()

    compare(real_server, calls)


def test_transaction_is_tried_as_often(real_server):
    """Until nobody has changed the key meanwhile; it returns the same."""

    def calls(r):
        def add_one(pipeline):
            count = int(pipeline.get("count") or 0)
            attempts.append(count)
            if len(attempts) < 3:
                somebody_else.set("count", len(attempts))
            pipeline.multi()
            pipeline.set("count", count + 1)
            return "value"

        with real_server.admin() as somebody_else:
            attempts: list[int] = []
            r.transaction(add_one, "count")
            r.transaction(add_one, "count", value_from_callable=True, watch_delay=0.001)
            r.transaction(lambda pipeline: pipeline.set("k", 1).get("k"))
            r.transaction(lambda pipeline: pipeline.execute_command("nonsense"), "count")
            r.transaction(lambda pipeline: 1 / 0, "count")
            r.echo(str(attempts))
            r.get("count")

    # The name of a function within another is part of the call's text.
    compare(real_server, calls)


def test_scripts_are_loaded_the_same(real_server):
    """A pipeline loads those that the server does not know before it runs them."""

    def calls(r):
        r.script_flush()
        script = r.register_script("return ARGV[1]")
        for transaction in (True, False):
            p = r.on("pipeline", transaction)
            script(args=["a"], client=p._client)
            p.set("k", 1)
            p.execute()

    compare(real_server, calls)


@KINDS
def test_many_commands_are_the_same(real_server, transaction):
    """More than one packet, in both directions."""

    def calls(r):
        p = r.on("pipeline", transaction)
        for number in range(500):
            p.set(f"k{number}", "x" * number)
        for number in range(500):
            p.get(f"k{number}")
        p.execute()

    compare(real_server, calls)


def test_with_block_is_the_same(real_server):
    """It ends with a reset, and the client goes on."""

    def calls(r):
        with r._client.pipeline() as pipeline:
            pipeline.watch("k")
            Recorder(pipeline, r.log).get("k")
        r.get("k")
        with r._client.pipeline() as pipeline:
            pipeline.set("k", "never sent")
        r.get("k")

    compare(real_server, calls)


# -- on the wire ---------------------------------------------------------------------------

EXCHANGES: dict[str, list[bytes]] = {
    "as it should be": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", array(OK, bulk(b"v"))],
    "nil from EXEC": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", b"*-1\r\n"],
    "too few": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", array(OK)],
    "too many": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", array(OK, OK, OK)],
    "no array": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", b":1\r\n"],
    "error inside": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", array(ERROR, bulk(b"v"))],
    "refused MULTI": [ERROR, OK, bulk(b"v"), ERROR],
    "refused command": [OK, ERROR, b"+QUEUED\r\n", b"-EXECABORT discarded\r\n"],
    "refused EXEC": [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", b"-EXECABORT discarded\r\n"],
    "moved": [OK, b"-MOVED 1 127.0.0.1:1\r\n", b"+QUEUED\r\n", b"-EXECABORT discarded\r\n"],
}


@KINDS
@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("parser", ["resp2-hiredis", "resp3-python"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_exchange_is_the_same(stub, parser, exchange, transaction, raises):
    """The bytes that are sent, what is made of the answers, and the number of dials."""
    said = EXCHANGES[exchange] if transaction else EXCHANGES[exchange][1:3]
    if "resp3" in parser:  # which has another nil
        said = [answer.replace(b"*-1\r\n", b"_\r\n") for answer in said]

    def calls(r):
        answers = iter(said)
        stub.reply = lambda _words: next(answers, OK)
        p = r.on("pipeline", transaction)
        p.set("k", "v")
        p.get("k")
        p.execute(raise_on_error=raises)
        stub.reply = OK
        r.set("k", "v")

    with pair(stub.url, **PARSERS[parser]) as (ours, theirs):
        assert_same(talk(stub, ours, calls), talk(stub, theirs, calls))


@pytest.mark.parametrize("module", ["json", "ft", "ts"])
def test_pipelines_of_modules_are_the_same(stub, module):
    """They take the client's connection, and the module's callbacks."""

    def calls(r):
        own = getattr(r._client, module)()
        with own.pipeline(transaction=False) as pipeline:
            p = Recorder(pipeline, r.log)
            p.get("k")
            p.info("k")
            p.execute(raise_on_error=False)
        r.get("k")

    stub.reply = bulk(b"[1, 2.5]")
    with pair(stub.url) as (ours, theirs):
        assert_same(talk(stub, ours, calls), talk(stub, theirs, calls))


# -- by design otherwise -------------------------------------------------------------------


def test_second_transaction_while_watching_is_refused(real_server):
    """It would end the first one's WATCH unseen: redis-py's has a connection of its own."""
    with pair(real_server.url) as (ours, theirs):
        for client in (ours, theirs):
            client.set("k", 1)
        first = ours.pipeline()
        first.watch("k")
        with pytest.raises(redis.RedisError, match="being watched"):
            ours.pipeline().set("l", 1).execute()
        first.multi()
        assert first.get("k").execute() == [b"1"]
