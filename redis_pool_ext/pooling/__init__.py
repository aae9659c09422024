"""What a pool does, a part in each file; `pool.py` and `aio/pool.py` put the parts together."""
