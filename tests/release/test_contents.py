"""What is built is what is meant: the wheel for users, the source for whoever packages it."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

from redis_pool_ext import __version__

from .alone import complaints
from .conftest import Built, run, tracked


def test_wheel_has_the_package_and_its_licence_and_nothing_else(contents):
    """Each module, `py.typed`, the files of the status page; no tests, examples, benchmarks."""
    assert complaints(contents) == []


def test_wheel_that_lacks_a_module_is_told_of(contents):
    """And one with tests in it."""
    wrong = [*contents, "tests/test_pool.py"]
    wrong.remove("redis_pool_ext/status/page/files/page.html")

    assert complaints(wrong) == [
        "is not in the wheel: redis_pool_ext/status/page/files/page.html",
        "is in the wheel: tests/",
    ]


def test_source_has_all_that_the_project_has(built: Built):
    """So its tests, documentation and examples are those of the checkout."""
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in names if name.startswith("redis_pool_ext.egg-info/")}

    assert names - made - {"PKG-INFO"} == set(tracked())


def test_source_runs_its_tests(built: Built, tmp_path: Path):
    """In a folder of its own; a few of them, with what is installed here."""
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    asked = (sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests/config")

    assert " passed" in run(*asked, cwd=folder, PYTHONPATH=str(folder))


def test_description_renders(built: Built):
    """As the index will check it; a warning is a failure."""
    said = run(sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist)

    assert said.count("PASSED") == 2


def test_version_is_that_of_the_package(built: Built):
    """In the metadata and in both names."""
    with zipfile.ZipFile(built.wheel) as wheel:
        [name] = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = message_from_string(wheel.read(name).decode())

    assert metadata["Version"] == __version__
    assert {built.wheel.name.split("-")[1], built.sdist.name.removesuffix(".tar.gz")[15:]} == {
        __version__
    }
