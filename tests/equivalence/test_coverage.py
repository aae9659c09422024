"""The tables call every command method that redis-py has, or say why not."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from .calls import DANGEROUS, LIVE, MODULES
from .pairs import pair
from .recorder import Call, Recorder

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:.*experimental:UserWarning"
)

# The versions whose commands the tables were made from. Another one's new commands are
# reported, and no reason to fail: this package does nothing about single commands.
KNOWN = ("6.4", "8.1")

ELSEWHERE = "is in test_around.py"
NO_COMMAND = "sends nothing"
NOT_COMPARED = {
    "bf": "is what the tables of modules.py are called on",
    "cf": "is what the tables of modules.py are called on",
    "cms": "is what the tables of modules.py are called on",
    "ft": "is what the tables of modules.py are called on",
    "json": "is what the tables of modules.py are called on",
    "tdigest": "is what the tables of modules.py are called on",
    "topk": "is what the tables of modules.py are called on",
    "ts": "is what the tables of modules.py are called on",
    "vset": "is what the tables of modules.py are called on",
    "client": "by design: another client of the same lease, not one with a connection of its own",
    "close": "by design: ends the lease's hold, not the pool",
    "monitor": "by design: takes a connection of its own, which comes back with the lease",
    "pubsub": "by design: takes a connection of its own, which comes back with the lease",
    "keyspace_notifications": "by design: as pubsub, on which it is built",
    "from_pool": "makes a client, from redis-py's pools",
    "from_url": "makes a client, from redis-py's pools",
    "get_cache": "client-side caching: the pool refuses it",
    "get_connection_kwargs": ELSEWHERE,
    "get_encoder": ELSEWHERE,
    "get_retry": ELSEWHERE,
    "load_external_module": ELSEWHERE,
    "lock": ELSEWHERE,
    "parse_response": ELSEWHERE,
    "pipeline": "is in test_pipelines.py",
    "set_response_callback": "is in test_callbacks.py",
    "set_retry": "is in test_retries.py",
    "transaction": "is in test_pipelines.py",
}
MODULE_METHODS_NOT_COMPARED = {
    "pipeline": "is in test_pipelines.py",
    "execute_command": NO_COMMAND,
    "get_params_args": NO_COMMAND,
    "BatchIndexer": NO_COMMAND,
    "batch_indexer": NO_COMMAND,
    "hybrid_search": "takes a tree of objects of redis-py's; sent as search() is",
    "sugadd": "takes objects of redis-py's; sent as sugget() is",
}


def public(kind: type[Any]) -> set[str]:
    return {
        name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))
    }


@pytest.fixture(scope="module")
def called() -> set[str]:
    """The names of the methods that the tables call, those of modules with a prefix."""
    log: list[Call] = []
    for group in (*LIVE, *MODULES, *DANGEROUS):
        calls = (LIVE | MODULES | DANGEROUS)[group]
        calls(Recorder(_Silent(), log))
    return {call.name for call in log}


class _Silent(redis.Redis):
    """A client that says nothing, and hears it."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return None


def report(missing: set[str]) -> None:
    if redis.__version__.startswith(KNOWN):
        assert not missing, f"add calls, or the reason why not: {sorted(missing)}"
    elif missing:
        pytest.skip(f"not compared, as new in redis-py {redis.__version__}: {sorted(missing)}")


def test_every_method_of_the_client_is_called(called):
    """A new redis-py with new commands makes the gap visible."""
    report(public(redis.Redis) - called - NOT_COMPARED.keys())


@pytest.mark.parametrize(
    "module", ["json", "ft", "ts", "bf", "cf", "cms", "topk", "tdigest", "vset"]
)
def test_every_method_of_a_module_is_called(called, module):
    """The helpers that only build arguments are called by the others."""
    if not hasattr(redis.Redis, module):
        pytest.skip("this redis-py does not know the module")
    names = public(type(getattr(redis.Redis(), module)()))
    helpers = {name for name in names if name.startswith("append_")}
    missing = {name for name in names if f"{module}().{name}" not in called}
    report(missing - helpers - MODULE_METHODS_NOT_COMPARED.keys())


def test_what_is_not_compared_exists():
    """Reasons do not outlive their methods, in the newest redis-py that is known."""
    if not redis.__version__.startswith(KNOWN[-1]):
        pytest.skip("an older redis-py has less")
    assert not NOT_COMPARED.keys() - public(redis.Redis)


def test_a_difference_is_told_by_its_call(real_server):
    """The comparison can fail, and then names the call."""
    with pair(real_server.url) as both, pytest.raises(AssertionError, match=r"incr\('n'\)"):
        both.assert_same(lambda r: r.incr("n"), before=lambda: None)
