"""The end of a program: no word on stderr, the right status, and promptly."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from ..support.proxy import FaultyProxy

START = """
import atexit, os, signal, sys, threading, time
import redis_pool_ext
from redis_pool_ext import RedisPool, configure, get_pool, get_redis, lease_scope
URL = sys.argv[1]
configure({"default": {"URL": URL, "MAX_CONNECTIONS": 1, "TIMEOUT": 60, "MIN_IDLE": 1,
                       "HOUSEKEEPING_INTERVAL": 0.01}})
pool = get_pool()

def until(condition):
    while not condition():
        time.sleep(0.001)
"""


def end(url: str, program: str) -> tuple[int, str, str]:
    """Run a program to its end; return status, stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", START + textwrap.dedent(program), url],
        capture_output=True,
        text=True,
        timeout=30,  # half of the time that a caller may wait for a connection here
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


SILENT = {
    "open leases": """
        leases = [RedisPool.from_url(URL).lease() for _ in range(2)]
        clients = [lease.client() for lease in leases]
        [client.ping() for client in clients]
        """,
    "an open scope": """
        scope = lease_scope()
        scope.__enter__()
        get_redis().ping()
        """,
    "open pipelines and subscriptions": """
        client = pool.lease().client()
        pipeline = client.pipeline()
        pipeline.watch("k")
        subscriber = RedisPool.from_url(URL).client.pubsub()
        subscriber.subscribe("news")
        """,
    "a cycle of garbage": """
        client = pool.lease().client()
        client.ping()
        client.self = client
        """,
    "a daemon in the queue": """
        client = pool.lease().client()
        client.ping()
        threading.Thread(target=pool.get_connection, daemon=True).start()
        until(lambda: pool.stats().waiting)
        """,
    "a daemon in a blocking command": """
        other = RedisPool.from_url(URL)
        threading.Thread(target=lambda: other.client.blpop("none", 0), daemon=True).start()
        until(lambda: any(c["cmd"] == "blpop" for c in pool.client.client_list()))
        """,
    "daemons at work": """
        def work():
            while True:
                with RedisPool.from_url(URL).lease() as client:
                    client.ping()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        until(lambda: pool.client.ping())
        """,
    "a busy housekeeper": """
        pool.client.ping()
        until(lambda: any("housekeeper" in t.name for t in threading.enumerate()))
        for _ in range(20):
            pool.drain()
            time.sleep(0.002)
        """,
    "a thread that waits and is served": """
        kept = pool.get_connection()
        threading.Thread(target=pool.client.ping).start()
        until(lambda: pool.stats().waiting)
        threading.Timer(0.05, pool.release, [kept]).start()
        """,
    "sys.exit() in a thread": """
        def leave():
            with pool.lease() as client:
                client.ping()
                sys.exit(3)
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        assert pool.stats().in_use == 0
        """,
    "os._exit() in a lease": """
        client = pool.lease().client()
        client.ping()
        os._exit(0)
        """,
    "atexit functions that use the pool": """
        # Registered later than ours, so called before it.
        atexit.register(lambda: get_redis().ping())
        """,
    "a child of multiprocessing": """
        import multiprocessing, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        pool.client.ping()
        child = multiprocessing.get_context("fork").Process(target=lambda: get_redis().ping())
        child.start()
        child.join()
        sys.exit(child.exitcode)
        """,
}


@pytest.mark.parametrize("program", SILENT.values(), ids=SILENT.keys())
def test_program_ends_in_silence(url, program):
    """Whatever was open or under way: status 0 and nothing on stderr."""
    assert end(url, program) == (0, "", "")


def test_atexit_function_of_before_finds_a_new_pool(url):
    """Registered before our import it runs after our close: it is served, not refused."""
    program = """
        import importlib
        def last():
            print(get_redis().echo("last").decode())
        atexit.unregister(redis_pool_ext.close_pools)
        atexit.register(last)
        atexit.register(redis_pool_ext.close_pools)
        get_redis().ping()
        """
    assert end(url, program) == (0, "last\n", "")


@pytest.fixture
def silent_server(redis_server, admin) -> Iterator[FaultyProxy]:
    """It accepts, and says nothing: every dial to it is under way for a minute."""
    with FaultyProxy(redis_server.port) as proxy:
        proxy.swallow()
        yield proxy


def test_daemon_in_the_middle_of_a_dial_ends_with_the_program(silent_server):
    """Nobody waits for the handshake."""
    program = """
        threading.Thread(target=pool.get_connection, daemon=True).start()
        until(lambda: pool.stats().connecting)
        """
    assert end(silent_server.url, program) == (0, "", "")


def test_sys_exit_in_a_lease_has_its_status(url):
    """The connection goes back, and the status is the caller's."""
    program = """
        with pool.lease() as client:
            client.ping()
            sys.exit(7)
        """
    assert end(url, program) == (7, "", "")


@pytest.mark.parametrize(
    "waiting",
    ["client.blpop('none', 0)", "pool.get_connection()"],
    ids=["in a command", "in the queue"],
)
def test_ctrl_c_says_what_python_says_and_no_more(url, waiting):
    """One traceback, of KeyboardInterrupt, and its status."""
    program = f"""
        client = pool.lease().client()
        client.ping()
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
        {waiting}
        """
    status, _, said = end(url, program)
    assert status == -2
    assert said.startswith("Traceback")
    assert said.count("Traceback") == 1
    assert said.endswith("KeyboardInterrupt\n")
