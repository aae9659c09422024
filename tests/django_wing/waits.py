"""How long the pool's callers wait, in seconds."""

TIMEOUT = 0.2  # where it is full
PATIENCE = 20.0  # elsewhere: long enough for a busy machine's dial
