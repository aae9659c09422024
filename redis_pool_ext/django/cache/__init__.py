"""Django's cache, and with it its sessions, on the process's Redis pool.

backend      `RedisPoolCache`: Django's methods, for threads and for coroutines
operations   what each of them sends, and what it makes of the answer; waits for nothing
values       a value as it is stored: serialized, and compressed where that is asked for
keys         which keys are this cache's own
options      `CACHES[...]`, read once, and what is wrong with it
"""

from .backend import RedisPoolCache

__all__ = ["RedisPoolCache"]
