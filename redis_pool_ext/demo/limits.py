"""How small the example's pool is in the demo, and how long its slow page takes.

TIMEOUT < HOLD < 2 * TIMEOUT: whoever comes right after the holders gives up in vain, and
who comes when those have given up is served in time. A second of slack on either side.
"""

__all__ = ["HOLD", "MAX_CONNECTIONS", "TIMEOUT"]

MAX_CONNECTIONS = 4
TIMEOUT = 2.0  # seconds that a visitor waits for a connection
HOLD = 3  # seconds that the slow page holds its connection
