"""`{% pool_panel %}`: the pool's numbers, on every page."""

from __future__ import annotations

from typing import Any

from django import template

from example_django import pool_panel

register = template.Library()


# A tag and not a context processor: those need a request, and 503.html is rendered without
# one, so that it cannot ask the session or the user for anything.
@register.inclusion_tag("pool.html", name="pool_panel")
def show_pool_panel() -> dict[str, Any]:
    """Render the panel."""
    return {"pool": pool_panel.pool_panel()}
