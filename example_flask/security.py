"""What every request has to pass, and what every response carries, the 503 included."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, abort, request

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


def is_local() -> bool:
    """Tell whether the browser runs on this machine, with no proxy in between.

    The guard of the pool's status page; a site with users asks whether this one is staff.
    Through a proxy everybody would seem to be local.
    """
    came_straight = "X-Forwarded-For" not in request.headers
    return came_straight and request.remote_addr in {"127.0.0.1", "::1"}


def add_security_headers(response: Response) -> Response:
    """Add them; and keep pages with live numbers out of caches."""
    response.headers.update(HEADERS)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
