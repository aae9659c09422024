"""What is said of versions agrees: setup.cfg, tox.ini, the workflows, the changelog, the pages."""

from __future__ import annotations

import re
from configparser import ConfigParser
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from redis_pool_ext import __version__

from ..support.pages import DOCS, README, ROOT

WORKFLOWS = ROOT / ".github" / "workflows"


@cache
def ini(name: str) -> ConfigParser:
    parsed = ConfigParser(interpolation=None)
    parsed.read(ROOT / name)
    return parsed


# -- what setup.cfg claims -----------------------------------------------------------------


def claimed(classifier: str) -> set[str]:
    """Return the versions, as in "5.2", that a classifier is there for."""
    listed = ini("setup.cfg")["metadata"]["classifiers"]
    return set(re.findall(rf"^{classifier} :: (\d+\.\d+)$", listed, re.MULTILINE))


def required(extra: str) -> list[Requirement]:
    """Return what an extra asks for, that of the extras it names included."""
    found = []
    for line in ini("setup.cfg")["options.extras_require"][extra].split("\n"):
        if line.strip():
            requirement = Requirement(line)
            ours = requirement.name == "redis-pool-ext"
            found += (
                [each for name in requirement.extras for each in required(name)]
                if ours
                else [requirement]
            )
    return found


def test_lowest_versions_are_those_that_setup_cfg_allows():
    """`tox -e lowest` installs them: tests/lowest.txt has each lower bound, and no other line."""
    wanted = {
        f"{each.name}=={bound.version}"
        for each in required("test")
        for bound in each.specifier
        if bound.operator == ">="
    }
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()

    assert [line for line in lines if not line.startswith("#")] == sorted(wanted)


# -- the matrix ----------------------------------------------------------------------------

CELL = re.compile(r"py3(\d+)-django(\d)(\d)-flask3(\d)-redis(64|7|8)(-nohiredis)?")


def in_matrix() -> list[str]:
    """Return the environments that `tox -m matrix` runs."""
    labels = ini("tox.ini")["tox"]["labels"]
    return re.findall(r"[\w-]+", labels.partition("matrix =")[2])


def cells() -> list[dict[str, Any]]:
    found = [CELL.fullmatch(name) for name in in_matrix()]
    return [
        {
            "python": f"3.{match[1]}",
            "django": f"{match[2]}.{match[3]}",
            "flask": f"3.{match[4]}",
            "redis": match[5],
            "hiredis": not match[6],
        }
        for match in found
        if match
    ]


def impossible(one: str, other: str) -> bool:
    """Django 6 needs Python 3.12."""
    return one == "3.11" and other.startswith("6.")


def test_matrix_has_every_version_that_is_claimed():
    """Of Python and of Django, by the classifiers; lowest and newest beside them."""
    assert {cell["python"] for cell in cells()} == claimed("Programming Language :: Python")
    assert {cell["django"] for cell in cells()} == claimed("Framework :: Django")
    assert in_matrix()[-2:] == ["lowest", "newest"]
    assert len(in_matrix()) == len(cells()) + 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python", "django"),
        ("python", "flask"),
        ("python", "redis"),
        ("django", "redis"),
        ("redis", "flask"),
        ("redis", "hiredis"),
    ],
)
def test_in_the_matrix_each_version_meets_each(one: str, other: str):
    """Of two things, every pair that can be installed is in some environment."""
    met = {(cell[one], cell[other]) for cell in cells()}
    every = set(product({each for each, _ in met}, {each for _, each in met}))

    missing = {pair for pair in every - met if not (one == "python" and impossible(*pair))}
    assert missing == set()


def environments() -> set[str]:
    """Return the environments that tox.ini knows by name, and those of the matrix."""
    named = {name.partition(":")[2] for name in ini("tox.ini").sections()} - {""}
    return named | whole_suites() | set(in_matrix())


def whole_suites() -> set[str]:
    return {f"py{each.replace('.', '')}" for each in claimed("Programming Language :: Python")}


def test_paths_in_tox_ini_are_there():
    """What is to be run, and what is to be left out."""
    named = set(re.findall(r"\btests/[\w/.]+", (ROOT / "tox.ini").read_text()))

    assert sorted(path for path in named if not (ROOT / path).exists()) == []
    assert len(named) > 20


# -- the workflows -------------------------------------------------------------------------


@cache
def workflow(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((WORKFLOWS / name).read_text())


def matrix_of(job: dict[str, Any]) -> list[str]:
    return job.get("strategy", {"matrix": {"env": []}})["matrix"]["env"]


def files() -> list[Path]:
    return sorted(WORKFLOWS.glob("*.yml"))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_workflow_is_bounded(path: Path):
    """It may do nothing by default, each job has its rights and its time, runs give way."""
    parsed = workflow(path.name)

    assert parsed["permissions"] == {}
    assert "concurrency" in parsed
    for job in parsed["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        assert "permissions" in job


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit(path: Path):
    """With the version that it is in a comment, which is what is updated."""
    used = re.findall(r"uses: *(.*)", path.read_text())

    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_workflow_names_environments_that_there_are():
    """And all of the matrix, and all that plain `tox` runs."""
    jobs = workflow("ci.yml")["jobs"]
    named = [name for job in jobs.values() for name in matrix_of(job)]
    usual = re.sub(r"py\{.*?\}", "", ini("tox.ini")["tox"]["env_list"]).replace(",", " ").split()

    assert set(named) <= environments()
    assert sorted(matrix_of(jobs["versions"])) == sorted(in_matrix())
    assert {*usual, *whole_suites(), "package"} <= set(named)


def test_workflow_has_every_python():
    """Those of the classifiers, as tox looks for them."""
    text = (WORKFLOWS / "ci.yml").read_text()
    [listed] = set(re.findall(r"python-version: \|\n((?: +3\.\d+\n)+)", text))

    assert set(listed.split()) == claimed("Programming Language :: Python")


def test_other_files_are_yaml():
    """What pre-commit and the hosting site read."""
    yaml = pytest.importorskip("yaml")

    assert yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["version"] == 2
    assert yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]


def test_ruff_is_the_same_everywhere():
    """In pre-commit's hooks as in `tox -e lint`: two versions undo each other's work."""
    found = re.findall(
        r"ruff==[\d.]+",
        (ROOT / "tox.ini").read_text() + (ROOT / ".pre-commit-config.yaml").read_text(),
    )

    assert len(found) == 3
    assert len(set(found)) == 1


# -- one version, told once ----------------------------------------------------------------


def released() -> list[tuple[str, str]]:
    """Return version and date of each release in the changelog, newest first."""
    text = (ROOT / "CHANGELOG.md").read_text()
    return re.findall(r"^## \[?([\d.]+\w*)\]? - (\S+)$", text, re.MULTILINE)


def test_changelog_goes_with_the_version():
    """`_version.py` has the newest release there, or the one that Unreleased is to become."""
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    versions = [Version(version) for version, _ in released()]

    assert sections[0] == "Unreleased"
    assert len(sections) == len(versions) + 1
    assert versions == sorted(versions, reverse=True)
    assert all(date.fromisoformat(day) for _, day in released())
    if Version(__version__) not in versions:
        assert all(version < Version(__version__) for version in versions)
        assert text.partition("## Unreleased")[2].partition("\n## ")[0].strip()


def test_changelog_has_the_headings_of_keep_a_changelog():
    """And no others."""
    kinds = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_version_stands_in_one_place():
    """Nothing else in the project has to be changed for a release, but the changelog."""
    assert ini("setup.cfg")["metadata"]["version"] == "attr: redis_pool_ext._version.__version__"


@pytest.mark.parametrize("page", [README, DOCS / "versions.md"], ids=lambda page: page.name)
def test_page_names_what_the_metadata_allow(page: Path):
    """The oldest Python, Django, Flask and redis-py."""
    text = page.read_text()
    [oldest] = re.findall(r">=(.+)", ini("setup.cfg")["options"]["python_requires"])
    lowest = {
        each.name: next(bound.version for bound in each.specifier if bound.operator == ">=")
        for each in [*required("django"), *required("flask"), *required("hiredis")]
    }

    assert f"Python {oldest}" in text
    assert f"Django {lowest['django']}" in text
    assert f"Flask {lowest['flask']}" in text
    assert f"redis-py {lowest['redis']} to 8.x" in text
