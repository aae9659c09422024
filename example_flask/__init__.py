"""A live poll in Flask: votes, sessions and a rate limit on one small Redis pool."""

from .app import create_app

__all__ = ["create_app"]
