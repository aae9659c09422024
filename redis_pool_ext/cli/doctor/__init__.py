"""`doctor`: what is wrong with the pools and their servers, or will be, and the way out."""

from .examine import gather, is_fine, show

__all__ = ["gather", "is_fine", "show"]
