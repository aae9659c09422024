"""What both examples have to do; a test module names the package."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from example_django import poll

from ..support.pages import blocks
from ..support.server import Server
from .holders import connections_held
from .site import HTML, MAX, PATH, ROOT, Site, Visitor, clean_environment, run

PAGES = ("/", "/counter/", "/programme/", "/report/?seconds=1", "/no-such-page")
STATUS = ("/redis-pool/", "/redis-pool/status.css", "/redis-pool/status.js")
FILES = ("/static/poll.css", "/static/poll.js", "/static/favicon.svg")


class PollContract:
    """Inherited by one class per framework."""

    package: str
    session_key: str  # how a session is called in Redis; %s is the cookie's key
    cached_board: str  # how the cache calls the leaderboard in Redis

    @classmethod
    def start(cls, url: str, folder: Path) -> Site:
        """Return the example on a very small pool."""
        limits = {"POOL_MAX_CONNECTIONS": str(MAX), "POOL_TIMEOUT": "0.5"}
        return Site(cls.package, folder, REDIS_URL=url, **limits)

    # -- lesson 1: the counter -----------------------------------------------------------

    def test_counter_counts_its_visits(self, site: Site) -> None:
        """On the pool's one connection, however often."""
        pages = [site.visitor().get("/counter/").text for _ in range(3)]
        assert [re.findall(r"<em>(\d+)</em>", page) for page in pages] == [["1"], ["2"], ["3"]]

    # -- lesson 2: session, cache and client -----------------------------------------------

    def test_session_cache_and_client_share_one_connection(self, site: Site) -> None:
        """A vote uses all three, and takes one connection of one pool, once."""
        visitor = site.visitor()
        form = visitor.form()
        before = site.taken()
        visitor.post_only("/vote/", {"Accept": HTML}, choice="good-queue", **form)
        assert site.taken() - before == 1
        visitor.get("/board.json")
        assert site.taken() - before == 2

    def test_board_is_kept_in_the_cache_until_a_vote(
        self, visitor: Visitor, admin: redis.Redis
    ) -> None:
        """All open pages share it, and nobody sees an old one after a vote."""
        visitor.get("/board.json")
        assert 0 < admin.pttl(self.cached_board) <= 1000
        visitor.vote("good-queue")
        assert not admin.exists(self.cached_board)

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
        assert not admin.exists(self.session_key % "planted")
        assert len(admin.keys(self.session_key % "*")) == 1

    # -- the pool --------------------------------------------------------------------

    def test_full_pool_answers_503_with_our_page(self, site: Site, admin: redis.Redis) -> None:
        """While slow reports hold every connection there is a 503, and after that none."""
        before = site.pool()["timeouts"]
        with connections_held(site, admin):
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
        with connections_held(site, admin):
            reply = site.visitor().get("/board.json", "application/json")
        assert reply.status == 503
        assert "json" in reply.headers["Content-Type"]
        assert reply.json()["retry_after"] >= 1

    def test_report_on_a_pool_of_its_own_leaves_the_others_alone(
        self, site: Site, admin: redis.Redis
    ) -> None:
        """As many as there are: the next report is a 503, and the poll is served."""
        with connections_held(site, admin, 2, "/report/apart/"):
            assert site.pool()["in_use"] == 0
            assert site.visitor().get("/report/apart/").status == 503
            assert site.visitor().get().status == 200

    def test_programme_tells_the_votes(self, visitor: Visitor) -> None:
        """Where Redis can be asked."""
        visitor.vote("good-queue")
        assert "1 vote so far" in visitor.get("/programme/").text

    def test_programme_does_without_a_connection(self, site: Site, admin: redis.Redis) -> None:
        """While a report or a vote would be a 503."""
        with connections_held(site, admin):
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
        sizes = {pool["alias"]: pool["stats"]["max_connections"] for pool in shown["pools"]}
        assert sizes["default"] == MAX
        for path in ("/redis-pool/", "/redis-pool/status.json"):
            reply = site.visitor().get(path, forwarded="203.0.113.7")
            assert reply.status == 403
            assert "status.js" not in reply.text

    def test_health_views_take_no_connection(self, site: Site, admin: redis.Redis) -> None:
        """While every connection is out, both answer at once."""
        with connections_held(site, admin):
            assert site.visitor().get("/health/live/").status == 200
            ready = site.visitor().get("/health/ready/")
        assert (ready.status, ready.json()["pools"]) == (200, {"default": "busy"})

    # -- lesson 6: outside a request -------------------------------------------------------

    def test_commands_of_the_readme_work_beside_the_poll(
        self, site: Site, url: str, tmp_path: Path
    ) -> None:
        """What cron runs is told by the command, and to visitors; the package's finds its pools."""
        site.visitor().vote("good-queue")
        env = {"REDIS_URL": url, "SECRET_KEY": "x", "PYTHONWARNINGS": "error", "PATH": PATH}
        ended = subprocess.run(
            ["bash", "-ec", blocks(ROOT / self.package / "README.md", "sh")[1]],
            cwd=ROOT,
            env=clean_environment(tmp_path) | env,
            timeout=40,
            check=False,
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        first, _, rest = ended.stdout.partition("\n")
        assert first == "The shape of a good queue leads with 1 of 1 votes."
        assert "reports" in rest
        programme = site.visitor().get("/programme/").text
        assert "“The shape of a good queue” led with 1 of 1." in programme

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
        assert f":{port}/0" in site.output  # whom to ask, for a second terminal
        assert _is_gone(port)
        assert [path.name for path in tmp_path.iterdir()] == ["output"]

    def test_import_starts_no_server(self, tmp_path: Path) -> None:
        """What a WSGI server imports starts and dials nothing, and no file of a developer's."""
        program = (
            f"import sys, {self.package}.wsgi\n"
            "print({'local_redis', 'development'} & {n.partition('.')[2] for n in sys.modules})"
        )
        env = {"REDIS_URL": "redis://localhost:1/0", "SECRET_KEY": "x"}
        ended = run(["-c", program], clean_environment(tmp_path) | env)
        assert ended == "set()\n"
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["SECRET_KEY", "REDIS_URL"])
    def test_server_without_what_it_needs_refuses_to_start(self, tmp_path: Path, name: str) -> None:
        """It says which variable is missing; DEBUG makes no exception."""
        env = {"SECRET_KEY": "x", "REDIS_URL": "redis://localhost:1/0", "DEBUG": "1"}
        del env[name]
        ended = subprocess.run(
            [sys.executable, "-c", f"import {self.package}.wsgi"],
            cwd=ROOT, env=clean_environment(tmp_path) | env, timeout=20,
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 1
        last = ended.stderr.strip().splitlines()[-1]
        assert f"EnvironmentVariableError: {name} is not set in the environment: " in last


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
