"""What every request has to pass, and what every response carries, the 503 included."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, abort, current_app, request

from .lesson_5_watch import has_toolbar

# The page loads its own files, talks to its own server, and runs nothing inline: a name
# that a visitor typed can never become a script.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def refuse_other_sites() -> None:
    """Answer 403 to a form that another site sends (CSRF).

    Browsers say where a request comes from, in headers that no page can forge. That needs
    no token, so showing the form stores nothing. Clients that are not browsers send
    neither header, and have no visitor's cookies to misuse.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        welcome = site in ("same-origin", "none")
    else:  # an older browser
        welcome = origin is None or urlsplit(origin).netloc == request.host
    if not welcome:
        abort(403, "This form was sent by another site.")


def add_headers(response: Response) -> Response:
    """Add them; and keep pages with live numbers out of caches."""
    response.headers.update(HEADERS)
    if has_toolbar(current_app):  # its scripts and styles stand inline
        del response.headers["Content-Security-Policy"]
    if current_app.config["HTTPS"]:
        # More seconds, once you are sure: browsers do not forget it.
        response.headers["Strict-Transport-Security"] = "max-age=3600"
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
