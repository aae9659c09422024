"""Calls that run Lua: scripts and functions."""

from __future__ import annotations

from ..recorder import Recorder
from .strings import BYTES, TEXT

LIBRARY = """#!lua name=lib
redis.register_function("f", function(keys, args) return {keys[1], args[1]} end)
redis.register_function{function_name="ro", callback=function() return 1 end, flags={"no-writes"}}
"""
ECHO = "return {KEYS[1], ARGV[1], ARGV[2]}"


def scripts(r: Recorder) -> None:
    r.eval(ECHO, 1, "k", TEXT, BYTES)
    r.eval("return 1.9", 0)
    r.eval("return false", 0)
    r.eval("return true", 0)
    r.eval("return {1, {2, {ok='fine'}}, false}", 0)
    r.eval("return {ok='fine'}", 0)
    r.eval("return redis.error_reply('MINE own')", 0)
    r.eval("return {1, redis.error_reply('MINE own')}", 0)
    r.eval("redis.setresp(3); return redis.call('HGETALL', 'h')", 0)
    r.eval("return {double=1.5}", 0)
    r.eval("syntax error", 0)
    r.eval("return redis.call('incr', 'a', 'b')", 0)
    r.eval(ECHO, -1)
    sha = r.script_load(ECHO)
    r.script_load("syntax error")
    r.evalsha(sha, 1, "k", 1, 2.5)
    r.evalsha("0" * 40, 0)
    r.eval_ro(ECHO, 1, "k", 1, 2)
    r.eval_ro("return redis.call('set', KEYS[1], 1)", 1, "k")
    r.evalsha_ro(sha, 1, "k", 1, 2)
    r.script_exists(sha, "0" * 40)
    r.script_flush()
    r.script_flush("ASYNC")
    r.script_flush("LATER")
    r.script_exists(sha)
    r.script_kill()
    r.script_debug("NO")


def registered_scripts(r: Recorder) -> None:
    script = r.register_script(ECHO)
    s = Recorder(script, r.log, prefix="Script.")
    s.__call__(keys=["k"], args=[TEXT, 2])
    s.__call__(["k"], [1, 2])
    s.get_encoder()
    r.script_flush()
    s.__call__(["k"], [BYTES, 2])
    broken = r.register_script("return redis.call('nonsense')")
    Recorder(broken, r.log, prefix="Script.").__call__()


def functions(r: Recorder) -> None:
    r.function_load(LIBRARY)
    r.function_load(LIBRARY)
    r.function_load(LIBRARY, replace=True)
    r.function_load("no shebang")
    r.unordered.function_list()
    r.unordered.function_list(library="lib", withcode=True)
    r.function_list(library="none")
    r.fcall("f", 1, "k", TEXT)
    r.fcall("missing", 0)
    r.fcall_ro("ro", 0)
    r.fcall_ro("f", 1, "k", 1)
    dumped = r.function_dump()
    r.function_stats()
    r.function_kill()
    r.function_restore(dumped)
    r.function_restore(dumped, policy="REPLACE")
    r.function_delete("lib")
    r.function_delete("lib")
    r.function_flush()
    r.function_flush("ASYNC")
    r.function_flush("LATER")


GROUPS = (scripts, registered_scripts, functions)
