"""The kinds of commands that a fault can meet.

Each calls `scene.meet` once, with the piece of work that the fault strikes and the seconds
that it may take. What follows happens after the fault, and must succeed: a lease pays for
a fault with one error, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from .scene import KEY, VALUE, Scene

LARGE_KEY, LARGE_VALUE = "large", b"x" * 1_000_000

# Seconds: for a connection, for a reply, and what BLPOP and get_message() ask for.
TIMEOUT = 0.4
SOCKET_TIMEOUT = 0.2
OWN_TIMEOUT = 0.05


def get(scene: Scene) -> None:
    scene.meet(lambda: scene.pool.client.get(KEY), SOCKET_TIMEOUT)


def set_(scene: Scene) -> None:
    scene.meet(lambda: scene.pool.client.set("other", "text"), SOCKET_TIMEOUT)


def pipeline(scene: Scene) -> None:
    commands = scene.pool.client.pipeline(transaction=False).get(KEY).incr("count").get(KEY)
    scene.meet(commands.execute, SOCKET_TIMEOUT)


def transaction(scene: Scene) -> None:
    with scene.pool.lease() as client:
        with client.pipeline() as watching:
            watching.watch(KEY)
            assert watching.get(KEY) == VALUE
            watching.multi()
            watching.incr("count")
            scene.meet(watching.execute, SOCKET_TIMEOUT)
        assert client.get(KEY) == VALUE


def blocking(scene: Scene) -> None:
    with scene.pool.lease() as client:
        client.ping()
        scene.meet(lambda: client.blpop(["nothing"], OWN_TIMEOUT), SOCKET_TIMEOUT + OWN_TIMEOUT)
        assert client.get(KEY) == VALUE


def large(scene: Scene) -> None:
    scene.meet(lambda: scene.pool.client.get(LARGE_KEY), SOCKET_TIMEOUT)
    assert scene.pool.client.get(LARGE_KEY) == LARGE_VALUE


def lease_at_its_first_command(scene: Scene) -> None:
    with scene.pool.lease() as client:
        scene.meet(lambda: client.get(KEY), SOCKET_TIMEOUT)
        assert client.get(KEY) == VALUE


def lease_in_the_middle(scene: Scene) -> None:
    with scene.pool.lease() as client:
        client.ping()
        scene.meet(lambda: client.get(KEY), SOCKET_TIMEOUT)
        assert client.get(KEY) == VALUE


def no_connection_yet(scene: Scene) -> None:
    scene.pool.disconnect()
    with scene.pool.lease() as client:
        scene.meet(lambda: client.get(KEY), TIMEOUT)


def idle_connection(scene: Scene) -> None:
    """The fault comes and goes while nobody uses the scene.pool."""
    scene.meet(lambda: None, 0)
    with scene.pool.lease() as client:
        assert client.get(KEY) == VALUE


def pubsub(scene: Scene) -> None:
    with scene.pool.client.pubsub() as subscriber:
        subscriber.subscribe("news")
        assert subscriber.get_message(timeout=TIMEOUT)["type"] == "subscribe"

        def read() -> None:
            scene.server.publish("news", "text")
            subscriber.get_message(timeout=OWN_TIMEOUT)

        scene.meet(read, OWN_TIMEOUT + SOCKET_TIMEOUT + TIMEOUT)


KINDS: dict[str, Callable[[Scene], None]] = {
    "get": get,
    "set": set_,
    "pipeline": pipeline,
    "transaction": transaction,
    "blocking": blocking,
    "large": large,
    "lease-first": lease_at_its_first_command,
    "lease-middle": lease_in_the_middle,
    "cold": no_connection_yet,
    "idle": idle_connection,
    "pubsub": pubsub,
}
