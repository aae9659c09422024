"""`python -m redis_pool_ext demo`: what the pool is for, measured on a live example.

Importing this loads nothing optional; `run` does, once it has looked that all is there.
"""
