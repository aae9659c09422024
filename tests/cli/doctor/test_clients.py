"""`doctor` on those who are connected, and on what they do."""

from __future__ import annotations

from .looks import finding, having


def test_clients_are_counted_by_name_and_address(server):
    """Without the one who looks."""
    others = [server.admin(client_name=name) for name in ("shop", "shop", "jobs", None)]
    for other in others:
        other.ping()
    pools = {"default": {"URL": server.url, "OPTIONS": {"client_name": "shop"}}}
    found = finding(pools, "clients")
    for other in others:
        other.close()

    by_name = found["numbers"]["by_name"]
    assert by_name["shop"] == {"127.0.0.1": 2}
    assert by_name["jobs"] == {"127.0.0.1": 1}
    assert found["numbers"]["connections"] == sum(sum(each.values()) for each in by_name.values())


def test_clients_without_a_name_are_a_note(server):
    """Nobody can tell whose they are."""
    with server.admin() as other:
        other.ping()
        found = finding({"default": server.url}, "clients")

    assert found["level"] == "note"
    assert "client_name" in found["way_out"]


def test_slow_command_is_told_by_its_name_alone(server, admin):
    """Its arguments are users' data."""
    with having(admin, slowlog_log_slower_than=0):
        admin.set("geheim", "geheim")
    found = finding({"default": server.url}, "slowlog")

    assert found["level"] == "note"
    assert found["numbers"]["entries"] >= 1
    assert "geheim" not in str(found)


def test_very_slow_command_is_a_warning(server, admin):
    """All others wait meanwhile."""
    admin.execute_command("DEBUG", "SLEEP", "0.15")
    found = finding({"default": server.url}, "slowlog")

    assert found["level"] == "warning"
    assert (found["numbers"]["command"], found["numbers"]["slowest"] >= 0.1) == ("DEBUG", True)
