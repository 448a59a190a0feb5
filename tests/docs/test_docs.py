"""Check the documentation: code runs, commands and recipes are valid, files exist, and the site builds."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

import facespace as fs
from facespace.cli.main import command
from facespace.demo.orl import lay_out

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "decisions")


def blocks(page, *languages):
    found = re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", page.read_text("utf-8"), flags=re.S | re.M)
    for indent, language, code in found:
        if language in languages:
            yield re.sub(f"^{indent}", "", code, flags=re.M)


def having(*languages):
    return [pytest.param(page, id=page.stem) for page in PAGES if any(blocks(page, *languages))]


@pytest.fixture
def a_reader(orl, model_path, people, tmp_path, monkeypatch):
    """A folder with everything used by the examples: a model, photos, people, and the output of `make demo`."""
    lay_out(tmp_path / "runs" / "demo" / "photos" / "unseen", 31, 40)
    shutil.copy(model_path, tmp_path / "runs" / "demo" / "model.onnx")
    shutil.copy(model_path, tmp_path / "model.onnx")
    shutil.copytree(people, tmp_path / "people")
    shutil.copytree(people, tmp_path / "photos")
    faces = [people / "s2" / f"{number}.pgm" for number in (1, 2, 3, 4)]
    for name, face in zip(("ada1.jpg", "ada2.jpg", "party.jpg", "new.jpg"), faces, strict=False):
        shutil.copy(face, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", having("python"))
def test_the_python_code_of_a_page_runs(page, a_reader, space):
    # Names that a page may use without defining them.
    names = {"fs": fs, "space": space, "paths": ["party.jpg"], "points": np.eye(4, 8, dtype=np.float32)}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)


def commands(page):
    for code in blocks(page, "console", "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and words[0] == "facespace":
                yield line, words[1:]


@pytest.mark.parametrize("page", having("console", "sh"))
def test_every_command_on_a_page_is_valid(page, a_reader, monkeypatch):
    # As after `cluster --out people`.
    (a_reader / "people" / "album.db").touch()
    monkeypatch.setenv("FACESPACE_GALLERY", "people.db")
    for line, words in commands(page):
        found, names = command(), []
        while hasattr(found, "commands"):
            assert words[0] in found.commands, f"{line}: there is no {words[0]}"
            names.append(words[0])
            found, words = found.commands[words[0]], words[1:]
        try:
            found.make_context(" ".join(names), list(words))
        except Exception as error:  # any error means that the line is wrong
            pytest.fail(f"{line}: {getattr(error, 'message', error)}")


def test_a_wrong_command_is_detected():
    with pytest.raises(Exception, match="No such option"):
        command().commands["verify"].make_context("verify", ["a.jpg", "b.jpg", "--fra", "1e-3"])


@pytest.mark.parametrize("page", having("toml"))
def test_every_toml_example_is_valid(page):
    for code in blocks(page, "toml"):
        tomllib.loads(code)


def test_every_picture_has_a_light_and_a_dark_version():
    shown = re.findall(
        r"\(\.\./pictures/([\w-]+)-(light|dark)\.svg#only-\2\)", (DOCS / "explanation" / "idea.md").read_text("utf-8")
    )
    assert len(shown) >= 8
    assert {name for name, scheme in shown if scheme == "light"} == {name for name, scheme in shown if scheme == "dark"}
    for name, scheme in shown:
        assert (DOCS / "pictures" / f"{name}-{scheme}.svg").is_file()


def test_files_named_in_the_architecture_exist():
    page = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
    package = ROOT / "src" / "facespace"
    files = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", page)) - {"tests/"}
    assert len(files) > 25
    assert [name for name in sorted(files) if not (package / name).exists()] == []
    folders = set(re.findall(r"`(tests/\w+)`", page))
    assert [name for name in sorted(folders) if not (ROOT / name).is_dir()] == []


def test_the_architecture_page_shows_the_layers_of_import_linter():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    orders = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    pictures = list(blocks(DOCS / "explanation" / "architecture.md", "text"))
    assert len(orders) == len(pictures)
    for layers, picture in zip(orders, pictures, strict=True):
        lines = picture.splitlines()
        shown = []
        for layer in layers:
            for name in layer.split(" | "):
                word = re.compile(rf"(?<![\w.]){name.split('.')[-1]}(/|\b)")
                found = [number for number, line in enumerate(lines) if word.search(line[48:])]
                assert found, f"{name} is not in the picture"
                shown.append(found[0])
        assert shown == sorted(shown)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built in strict mode, where a broken link or a missing name is an error."""
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(DOCS.parent / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_pages_load_nothing_from_other_sites(site):
    fetched = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not fetched.search(page.read_text("utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8")), sheet


def test_the_reference_lists_every_command_and_public_name(site):
    shown = (site / "reference" / "cli.html").read_text("utf-8")
    for name, one in command().commands.items():
        for words in [name] if not hasattr(one, "commands") else [f"{name} {sub}" for sub in one.commands]:
            assert f"facespace {words}" in shown
    shown = (site / "reference" / "python.html").read_text("utf-8")
    missing = [name for name in fs.__all__ if not re.search(rf'id="[\w.]*\b{name}"', shown)]
    assert not missing


def test_the_fields_of_records_are_listed(site):
    shown = (site / "reference" / "python.html").read_text("utf-8")
    verification = shown[shown.index('id="facespace.Verification"') :][:9000]
    assert "the false accept rate the threshold was chosen for" in verification
    assert "<th>Type</th>" in verification or "Attributes" in verification
