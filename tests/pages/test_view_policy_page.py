"""docs/view-policy.md: each block is run, with a server and without."""

from __future__ import annotations

import re

import pytest

from redis_pool_ext.web.request_policy import RequestPolicy

from ..support.pages import DOCS, README, block_with, blocks, project, run

PAGE = DOCS / "view-policy.md"
NOWHERE = "redis://127.0.0.1:1/0"
QUIETLY = "import logging\nlogging.disable()  # of what goes on without Redis\n"

ASK_DJANGO = (
    QUIETLY
    + """
exec({classes!r}, vars(views))
urls.urlpatterns += [
    path("login", views.login), path("report", views.report), path("visits", views.Visits.as_view())
]
def tell(response):
    print(response.status_code, response.content[:9], response.headers.get("Cache-Control"))
tell(Client().get("/"))
tell(Client().get("/visits"))
tell(Client().post("/login"))
tell(Client().post("/visits"))
tell(asyncio.run(AsyncClient().get("/report")))
"""
)

ASK_FLASK = (
    QUIETLY
    + """
visitor = app.test_client()
for response in (visitor.get("/"), visitor.post("/login"), visitor.get("/report")):
    print(response.status_code, response.data[:9], response.headers.get("Cache-Control"))
"""
)


def lines_of_django(url: str, more: str = "") -> list[str]:
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + more
    views, classes = block_with(PAGE, "# views.py"), block_with(PAGE, "# classes.py")
    program = project(settings, views, ASK_DJANGO.format(classes=classes))
    return run(program, url).splitlines()[1:]


def test_views_of_django_are_answered_by_redis(url, admin):
    """Functions, classes and coroutines."""
    admin.set("visits", 7)
    assert lines_of_django(url) == [
        "200 b'7' None",
        "200 b'7' None",
        "200 b'1' None",
        "200 b'8' None",
        "200 b'2' None",
    ]


@pytest.mark.parametrize("more", ["", block_with(PAGE, "REDIS_POOL_EAGER = True")])
def test_views_of_django_without_redis_do_what_they_say(more):
    """Also where the project refuses all others early."""
    assert lines_of_django(NOWHERE, more) == [
        "200 b'many' no-store",
        "200 b'0' None",
        "503 b'Service t' no-store",
        "503 b'Service t' no-store",
        "503 b'Service t' no-store",
    ]


@pytest.mark.parametrize("is_up", [True, False])
def test_views_of_flask_do_what_they_say(url, admin, is_up):
    """With a server, and without."""
    pytest.importorskip("flask")
    pytest.importorskip("asgiref", reason="flask[async]")
    admin.set("visits", 7)
    said = run(block_with(PAGE, "app = Flask") + ASK_FLASK, url if is_up else NOWHERE)
    up = ["200 b'7' None", "200 b'1' None", "200 b'2' None"]
    refused = "503 b'Service t' no-store"
    assert said.splitlines() == (up if is_up else ["200 b'many' no-store", refused, refused])


def test_settings_of_the_page_are_good():
    """As the wings read them."""
    names: dict[str, object] = {}
    exec(block_with(PAGE, "REDIS_POOL_EAGER = True"), names)
    assert RequestPolicy.read(names.get) == RequestPolicy(seconds=3.0, eager=True)


def test_no_block_is_left_out():
    """All of them are run above; and what the page links to is there."""
    assert len(blocks(PAGE)) == 4
    for file in re.findall(r"\]\(([\w-]+\.md)", PAGE.read_text()):
        assert (DOCS / file).is_file(), file
