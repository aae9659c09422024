"""Who asks, and what for: a person's browser, or the page's script."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

pages = Blueprint("answers", __name__)


def wants_json() -> bool:
    """Tell whether it is the script."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


@pages.app_errorhandler(404)
def not_found(_error: NotFound) -> ResponseReturnValue:
    """Say that there is no such page."""
    return render_template("404.html"), 404
