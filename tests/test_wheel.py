"""The wheel: complete, valid, and usable with nothing but the packages it declares."""

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the package build is not installed")
pytest.importorskip("hatchling", reason="the package hatchling is not installed")
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    # The installed hatchling builds it, without a download.
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory):
    """An interpreter that finds the wheel's files and its declared dependencies, and no other package."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in dependencies_of(site):
        for file in importlib.metadata.distribution(name).files:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(importlib.metadata.distribution(name).locate_file(top)).resolve())
    return folder / "bin" / "python"


def dependencies_of(site):
    """Names of all packages that a plain `pip install` of the wheel installs."""
    (wheel,) = importlib.metadata.distributions(path=[str(site)])
    found, waiting = set(), list(wheel.requires)
    while waiting:
        requirement = Requirement(waiting.pop())
        for extra in requirement.extras | {""}:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                name = canonicalize_name(requirement.name)
                if name not in found:
                    found.add(name)
                    waiting += importlib.metadata.requires(name) or []
    return found


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    package = ROOT / "src" / "facespace"
    tracked = run("git", "-C", ROOT, "ls-files", "src/facespace") if (ROOT / ".git").exists() else None
    expected = (
        {line.removeprefix("src/") for line in tracked.splitlines()}
        if tracked
        else {str(path.relative_to(package.parent)) for path in package.rglob("*") if path.suffix not in (".pyc", "")}
    )
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {"facespace/py.typed", "facespace/models/mobile.onnx", "facespace/recipes/demo.toml"} <= names
    assert names == expected


def test_its_metadata_is_valid_for_the_package_index(wheel):
    pytest.importorskip("twine", reason="the package twine is not installed")
    assert "PASSED" in run(sys.executable, "-m", "twine", "check", "--strict", wheel)


def test_its_description_links_to_no_file_of_the_repository(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    description = text.partition("\n\n")[2]
    assert "Tell whether two photos show the same person" in description
    assert "Get your first answers" in description
    assert re.findall(r"\]\((?!https?:)[^)]*\)", description) == []


def test_its_classifiers_name_the_versions_that_it_accepts(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    versions = re.findall(r"^Classifier: Programming Language :: Python :: (3\.\d+)$", text, re.M)
    assert versions[0] == re.search(r"^Requires-Python: >=(3\.\d+)$", text, re.M)[1]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]


def test_the_wheel_works_with_its_declared_dependencies_alone(clean_python, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "FACESPACE"))}
    script = "import facespace as fs, numpy as np; print(fs.load().faces(np.zeros((90, 90, 3), 'u1')))"
    assert run(clean_python, "-c", script, env=environment, cwd=tmp_path).strip() == "[]"
    listed = run(clean_python, "-m", "facespace", "model", "list", env=environment, cwd=tmp_path)
    assert "mobile-int8" in listed
    unwanted = "from importlib.util import find_spec; print([n for n in ('torch', 'cv2', 'sklearn') if find_spec(n)])"
    assert run(clean_python, "-c", unwanted, env=environment, cwd=tmp_path).strip() == "[]"
