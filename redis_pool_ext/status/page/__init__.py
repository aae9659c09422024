"""The status page: what both wings serve, and what no framework is needed for."""

from .serving import PATHS, Response, respond

__all__ = ["PATHS", "Response", "respond"]
