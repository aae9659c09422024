"""Redis Cluster: redis-py's own engine, with this package's limit, wait and 503 at each node."""

from .pool import ClusterPool

__all__ = ["ClusterPool"]
