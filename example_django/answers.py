"""Who asks: a person's browser, or the page's script."""

from __future__ import annotations

from django.http import HttpRequest


def wants_json(request: HttpRequest) -> bool:
    """Tell whether it is the script."""
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"
