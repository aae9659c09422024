"""What all commands have in common: usage, exit status, colours, what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from redis_pool_ext.__main__ import main
from redis_pool_ext.cli import COMMANDS, output

from ..support.program import ROOT, Program
from .command import IS_FULL, Terminal, call


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_alias_is_status_2_and_names_the_nearest(name: str):
    """Nothing is dialled or asked."""
    said = call(name, {"default": "redis://h", "reports": "redis://h"}, alias=("report",))

    assert (said.status, said.out) == (2, "")
    assert "known are default, reports; did you mean 'reports'?" in said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_without_rich_tables_name_the_extra(monkeypatch, name: str):
    """One sentence, status 2."""
    monkeypatch.setattr(output, "find_spec", lambda _name: None)
    said = call(name, {"default": "redis://h"}, count=1)

    assert (said.status, said.out) == (2, "")
    assert "pip install 'redis-pool-ext[cli]', or give --json" in said.err


WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from redis_pool_ext.__main__ import main
status = main([*sys.argv[1:]])
assert status == 0, status
assert not [name for name in sys.modules if name.startswith("rich.")]
"""


@pytest.mark.parametrize(
    "arguments",
    [["stats"], ["watch", "--count", "1"], ["config"], ["ping", "--url", "URL"],
     ["doctor", "--url", "URL"]],
)  # fmt: skip
def test_without_rich_json_works(place, url, arguments: list[str]):
    """And imports nothing of it."""
    words = [url if word == "URL" else word for word in [*arguments, "--json"]]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_RICH, *words],
        capture_output=True, text=True, timeout=50, check=False, cwd=ROOT,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    said = json.loads(ended.stdout)
    assert (said["command"], said["format"]) == (arguments[0], 1)


def test_commands_import_no_rich_and_no_framework():
    """Before a table is drawn."""
    code = """
import sys, redis_pool_ext.cli
print(sorted({"django", "flask", "click", "rich"} & set(sys.modules)))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "--timeout", "0"], "give seconds above 0"),
        (["watch", "--count", "0"], "give 1 or more"),
        (["watch", "--interval", "soon"], "soon"),
        (["doctor", "--workers", "-1"], "give 1 or more"),
        (["stats", "--workers", "1"], "unrecognized arguments"),
    ],
)
def test_wrong_argument_is_status_2_and_says_what_to_give(capsys, arguments, words: str):
    """As argparse has it, with the argument's own words."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_plain_program_runs_a_command(place, url, capsys):
    """`python -m redis_pool_ext ping --url ...`"""
    assert main(["ping", "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pools"][0]["ok"]


@pytest.mark.skipif(find_spec("rich") is None, reason="without rich")
class TestColours:
    """There are some where a person looks, unless they are not wanted."""

    @pytest.fixture
    def full(self, place, url, monkeypatch):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        with Program(IS_FULL, url):
            yield {"default": url}

    def test_terminal_has_colours(self, full):
        """Red for what is wrong."""
        assert "\x1b[1;31m" in call("stats", full, out=Terminal()).out

    def test_file_has_none(self, full):
        """Nor anything else that is not text."""
        assert "\x1b" not in call("stats", full).out

    def test_no_color_is_heard(self, full, monkeypatch):
        """https://no-color.org"""
        monkeypatch.setenv("NO_COLOR", "1")
        assert "31m" not in call("stats", full, out=Terminal()).out

    def test_framework_may_forbid_or_force_them(self, full):
        """`manage.py --no-color`, `--force-color`."""
        assert "31m" not in call("stats", full, out=Terminal(), colour=False).out
        assert "31m" in call("stats", full, colour=True).out


def test_reader_who_goes_away_ends_it_quietly(place):
    """`| head -1` has seen enough."""
    command = f"{sys.executable} -m redis_pool_ext watch --interval 0.01 | head -1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=50,
        check=False, cwd=ROOT,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1
