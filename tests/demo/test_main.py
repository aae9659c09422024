"""The command line, and what it says when something is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import redis_pool_ext
from redis_pool_ext.__main__ import main
from redis_pool_ext.demo import needs
from redis_pool_ext.demo.example import load
from redis_pool_ext.demo.failure import DemoError

from .process import DemoProcess

INSTALL = "pip install -e '.[demo]'"


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make modules as good as not installed."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def stand_in(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Take modules for installed, whether they are or not."""
    monkeypatch.setattr(needs, "is_installed", lambda name: name in names)


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version, and nothing else."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{redis_pool_ext.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dmo"],
        ["demo", "--framework", "pyramid"],
        ["demo", "--port", "99999"],
        ["demo", "--port", "http"],
    ],
)
def test_wrong_usage_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown command or value ends with 2 and the usage line."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m redis_pool_ext")


@pytest.mark.parametrize("name", ["rich", "waitress"])
def test_missing_library_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence names the library and the command that installs it; status 2."""
    stand_in(monkeypatch, *({"django", "rich", "waitress"} - {name}))
    assert main(["demo", "--once"]) == 2
    assert capsys.readouterr().err == f"The demo needs {name}: {INSTALL}\n"


def test_several_missing_libraries_are_named_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to start the demo twice to learn what is missing."""
    stand_in(monkeypatch, "django")
    assert main(["demo", "--once"]) == 2
    assert capsys.readouterr().err == f"The demo needs rich and waitress: {INSTALL}\n"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ([], "Django or Flask"),
        (["--framework", "django"], "Django"),
        (["--framework", "flask"], "Flask"),
    ],
)
def test_missing_framework_is_named(
    arguments: list[str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The framework that was asked for, or either one."""
    hide(monkeypatch, "django", "flask")
    assert main(["demo", "--once", *arguments]) == 2
    assert capsys.readouterr().err == f"The demo needs {missing}: {INSTALL}\n"


def test_django_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are installed."""
    stand_in(monkeypatch, "django", "flask")
    assert needs.choose_framework(None) == "django"


def test_flask_is_the_default_without_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Django is not installed."""
    stand_in(monkeypatch, "flask")
    assert needs.choose_framework(None) == "flask"


@pytest.mark.parametrize("framework", ["django", "flask"])
def test_missing_example_says_where_it_is(
    framework: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Installed from a wheel there are no examples: the sentence says where they are."""
    hide(monkeypatch, f"example_{framework}")
    monkeypatch.setattr("redis_pool_ext.demo.example.__file__", str(tmp_path / "a" / "b" / "c"))
    with pytest.raises(DemoError, match="comes with the repository") as raised:
        load(framework, "redis://localhost/0")
    assert raised.value.status == 2


def test_command_line_loads_no_optional_library(tmp_path: Path) -> None:
    """Importing the command line costs nothing that only the demo needs."""
    code = (
        "import sys, redis_pool_ext.__main__; "
        "print(sorted({'django', 'flask', 'rich', 'waitress', 'fakeredis'} & set(sys.modules)))"
    )
    with DemoProcess(tmp_path, code=code) as process:
        assert process.ends() == 0
        assert process.text == "[]\n"
