"""What both examples have to do; a test module names the package."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from example_django import poll

from ..support.server import Server
from .site import HTML, MAX, ROOT, Site, Visitor, clean_environment

PAGES = ("/", "/programme/", "/report/?seconds=1", "/no-such-page")
STATUS = ("/redis-pool/", "/redis-pool/status.css", "/redis-pool/status.js")
FILES = ("/static/poll.css", "/static/poll.js", "/static/favicon.svg")


class PollContract:
    """Inherited by one class per framework."""

    package: str

    # -- the poll --------------------------------------------------------------------

    def test_page_shows_every_talk(self, visitor: Visitor) -> None:
        """Each talk is on the ballot with a button of its own."""
        page = visitor.get()
        assert page.status == 200
        for talk in poll.TALKS:
            assert f'name="choice" value="{talk.slug}"' in page.text
            assert talk.title in page.text

    def test_votes_move_the_leaderboard(self, site: Site) -> None:
        """Most votes first, in the page and in its JSON."""
        for slug in ("moving-maps", "night-shift", "moving-maps"):
            site.visitor().vote(slug)
        board = site.visitor().get("/board.json").json()
        places = [(talk["rank"], talk["slug"], talk["votes"]) for talk in board["talks"][:2]]
        assert places == [(1, "moving-maps", 2), (2, "night-shift", 1)]
        assert board["total"] == 3
        leaderboard = site.visitor().get().text.partition('id="board"')[2]
        assert re.findall(r'data-slug="([\w-]+)"', leaderboard)[:2] == [
            "moving-maps",
            "night-shift",
        ]

    def test_vote_without_script_redirects_to_the_page(self, visitor: Visitor) -> None:
        """A reload of what the visitor sees then does not vote again; the vote is marked."""
        reply = visitor.vote("good-queue")
        assert reply.status in (302, 303)
        assert reply.headers["Location"] == "/"
        assert 'data-slug="good-queue" class="mine"' in visitor.get().text

    def test_vote_by_script_answers_the_new_board(self, visitor: Visitor) -> None:
        """The page's script gets JSON, and shows it at once."""
        reply = visitor.vote("good-queue", "application/json")
        assert reply.status == 200
        assert reply.json()["talks"][0]["slug"] == "good-queue"

    def test_vote_for_unknown_talk_is_refused(self, visitor: Visitor) -> None:
        """What is not on the ballot counts nothing."""
        assert visitor.vote("no-such-talk").status == 400
        assert visitor.get("/board.json").json()["total"] == 0

    def test_vote_from_another_site_is_refused(self, visitor: Visitor) -> None:
        """A form that another site made the browser send counts nothing."""
        elsewhere = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert visitor.post_only("/vote/", elsewhere, choice="good-queue").status == 403
        assert visitor.get("/board.json").json()["total"] == 0

    @pytest.mark.parametrize("accept", ["text/html", "application/json"])
    def test_too_many_votes_answer_429(self, site: Site, accept: str) -> None:
        """Beyond the limit a visitor is told when to come back; others go on."""
        visitor = site.visitor()
        for _ in range(poll.LIMIT):
            assert visitor.vote("good-queue").status < 400
        reply = visitor.vote("good-queue", accept)
        assert reply.status == 429
        assert 1 <= int(reply.headers["Retry-After"]) <= poll.WINDOW
        assert reply.headers["Content-Type"].startswith(accept)
        assert site.visitor().vote("good-queue").status < 400

    def test_name_is_remembered_and_stays_text(self, visitor: Visitor) -> None:
        """The session keeps the name; markup in it is shown, not obeyed."""
        visitor.post("/name/", name="  <b>Row 7</b> ")
        visitor.vote("good-queue")
        page = visitor.get().text
        assert 'value="&lt;b&gt;Row 7&lt;/b&gt;"' in page
        assert "<b>Row 7</b>" not in page

    def test_look_at_the_page_stores_nothing(self, visitor: Visitor, admin: redis.Redis) -> None:
        """Who only reads costs no key."""
        visitor.get()
        assert admin.dbsize() == 0

    def test_made_up_session_key_is_not_adopted(self, visitor: Visitor, admin: redis.Redis) -> None:
        """Nobody can plant a session key in somebody else's browser."""
        visitor.cookies.load("session=planted; sessionid=planted")
        assert visitor.vote("good-queue").status < 400
        assert not admin.exists("session:planted")
        assert len(admin.keys("session:*")) == 1

    # -- the pool --------------------------------------------------------------------

    def test_full_pool_answers_503_with_our_page(self, site: Site, admin: redis.Redis) -> None:
        """While slow reports hold every connection there is a 503, and after that none."""
        before = site.pool()["timeouts"]
        with _all_connections_held(site, admin):
            reply = site.visitor().get()
            assert reply.status == 503
            assert int(reply.headers["Retry-After"]) >= 1
            assert "no-store" in reply.headers["Cache-Control"]
            assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
            assert "The room is <em>full</em>" in reply.text
            assert site.pool()["timeouts"] == before + 1
        assert site.visitor().get().status == 200

    def test_full_pool_answers_the_script_with_json(self, site: Site, admin: redis.Redis) -> None:
        """The page's script need not read HTML to learn that it has to wait."""
        with _all_connections_held(site, admin):
            reply = site.visitor().get("/board.json", "application/json")
        assert reply.status == 503
        assert "json" in reply.headers["Content-Type"]
        assert reply.json()["retry_after"] >= 1

    def test_programme_tells_the_votes(self, visitor: Visitor) -> None:
        """Where Redis can be asked."""
        visitor.vote("good-queue")
        assert "1 vote so far" in visitor.get("/programme/").text

    def test_programme_does_without_a_connection(self, site: Site, admin: redis.Redis) -> None:
        """While a report or a vote would be a 503."""
        with _all_connections_held(site, admin):
            reply = site.visitor().get("/programme/")
        assert reply.status == 200
        assert poll.TALKS[0].title in reply.text
        assert "nobody can tell just now" in reply.text

    def test_without_redis_what_needs_it_is_503_and_the_rest_is_there(self, tmp_path: Path) -> None:
        """A vote is refused before it begins; the programme is there, without a number."""
        with Server() as server, Site(self.package, tmp_path, REDIS_URL=server.url) as site:
            visitor = site.visitor()
            form = visitor.form()
            server.stop()
            for reply in (
                visitor.post_only("/vote/", {"Accept": HTML}, choice="good-queue", **form),
                visitor.get("/report/"),
            ):
                assert reply.status == 503
                assert "The room is <em>full</em>" in reply.text
            reply = visitor.get("/programme/")
            assert reply.status == 200
            assert "nobody can tell just now" in reply.text
        assert "Traceback" not in site.output, site.output

    def test_pool_panel_shows_the_limit_from_the_environment(self, site: Site) -> None:
        """POOL_MAX_CONNECTIONS decides."""
        assert site.pool()["max"] == MAX
        assert site.visitor().get().text.count("<li data-state=") == MAX

    def test_status_page_is_for_this_machine(self, site: Site) -> None:
        """It is linked, and shows the pool; who comes through a proxy gets nothing."""
        assert 'href="/redis-pool/"' in site.visitor().get().text
        assert site.visitor().get("/redis-pool/").status == 200
        shown = site.visitor().get("/redis-pool/status.json").json()
        assert [pool["stats"]["max_connections"] for pool in shown["pools"]] == [MAX]
        for path in ("/redis-pool/", "/redis-pool/status.json"):
            reply = site.visitor().get(path, forwarded="203.0.113.7")
            assert reply.status == 403
            assert "status.js" not in reply.text

    # -- what is served ----------------------------------------------------------------

    @pytest.mark.parametrize("path", [*PAGES, *FILES, *STATUS])
    def test_nothing_served_names_another_host(self, visitor: Visitor, path: str) -> None:
        """No font, script or image comes from elsewhere."""
        text = visitor.get(path).text
        # A name, not an address: no browser fetches it.
        text = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""https?:|["'(]//""", text)

    @pytest.mark.parametrize("path", PAGES)
    def test_pages_hold_nothing_inline(self, visitor: Visitor, path: str) -> None:
        """They work under a policy that forbids inline scripts and styles, and send it."""
        page = visitor.get(path)
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert not re.search(r"<style|<script(?![^>]* src=)|\s(style|on\w+)=", page.text)

    # -- the server of its own -----------------------------------------------------------

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_own_server_is_gone_after_exit(self, tmp_path: Path, number: signal.Signals) -> None:
        """Without REDIS_URL a server starts, and ends with the program that started it."""
        with Site(self.package, tmp_path) as site:
            assert site.visitor().vote("good-queue").status < 400
            port = _port_of_own_server(tmp_path)
            site.process.send_signal(number)
            site.process.wait(20)
        assert "Traceback" not in site.output, site.output
        assert f":{site.port}" in site.output  # where to look, for the person who started it
        assert _is_gone(port)
        assert [path.name for path in tmp_path.iterdir()] == ["output"]

    def test_import_starts_no_server(self, tmp_path: Path) -> None:
        """Neither the package nor what a WSGI server imports starts or dials anything."""
        modules = {"example_django": "example_django.wsgi", "example_flask": "example_flask.app"}
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"import {modules[self.package]}"],
            cwd=ROOT,
            env=clean_environment(tmp_path),
            timeout=20,
            check=False,
        )
        assert ended.returncode == 0
        assert not list(tmp_path.iterdir())


@contextmanager
def _all_connections_held(site: Site, admin: redis.Redis) -> Iterator[None]:
    """Let slow reports take every connection for the length of the block."""
    with ThreadPoolExecutor(MAX) as threads:
        reports = [
            threads.submit(site.visitor().get, "/report/?seconds=10", "application/json")
            for _ in range(MAX)
        ]
        site.wait_for_pool(in_use=MAX)
        try:
            yield
        finally:
            # They wait for items that never come. Here they come, and nobody waits long.
            admin.rpush(poll.NEVER, *range(10 * MAX))
        assert [report.result().status for report in reports] == [200] * MAX


def _port_of_own_server(folder: Path) -> int:
    """Return the port that the embedded server wrote into its log."""
    (log,) = folder.glob("redis_pool_ext-*/log")
    found = re.search(r"port=(\d+)", log.read_text())
    assert found, log.read_text()
    return int(found[1])


def _is_gone(port: int) -> bool:
    """Tell whether a server has ended; one that has not is ended now."""
    with redis.Redis(port=port, retry=None) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return True
        client.shutdown(nosave=True)
    return False
