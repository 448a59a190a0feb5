"""The README's code and commands work as written, with the shipped model, on photos of realistic size."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from facespace.demo.orl import lay_out
from facespace.train.recipe import read_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
WITHOUT_A_RUN = ("train", "export", "evaluate", "serve")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def enlarged(photo, target):
    with PIL.Image.open(photo) as grey:
        grey.convert("RGB").resize((grey.width * 2, grey.height * 2)).save(target)


@pytest.fixture
def a_reader(orl, model_path, tmp_path, monkeypatch):
    """A folder with a reader's photos and the output of `make demo`, with a network of random weights."""
    people = lay_out(tmp_path / "runs" / "demo" / "photos" / "unseen", 31, 40)
    (tmp_path / "runs" / "demo" / "model.onnx").write_bytes(model_path.read_bytes())
    enlarged(people / "s33" / "1.pgm", tmp_path / "ada1.jpg")
    enlarged(people / "s33" / "3.pgm", tmp_path / "ada2.jpg")
    party = PIL.Image.new("RGB", (390, 224), "white")
    (tmp_path / "photos").mkdir()
    for place, person in enumerate(("s33", "s38")):
        enlarged(people / person / "7.pgm", tmp_path / "photos" / f"{person}.jpg")
        with PIL.Image.open(tmp_path / "photos" / f"{person}.jpg") as tile:
            party.paste(tile, (place * 200, 0))
    party.save(tmp_path / "party.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_code_runs_and_prints_what_it_says(a_reader, capsys):
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("Same person\n")
    assert re.search(r"^Ada$", printed, flags=re.M)
    assert re.search(r"^unknown$", printed, flags=re.M)
    assert printed.count("one person: ") == 2
    assert "pairs of different people" in printed


def test_the_commands_run(a_reader):
    environment = dict(os.environ)
    ran = 0
    for line in "".join(blocks("console")).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words[0] == "facespace" and words[1] not in WITHOUT_A_RUN:
            command = [sys.executable, "-m", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            ran += 1
    assert ran >= 4


def test_the_recipe_is_one(tmp_path):
    (recipe,) = blocks("toml")
    (tmp_path / "mine.toml").write_text(recipe)
    assert read_recipe(tmp_path / "mine.toml").data.train == tmp_path / "people"


def test_the_make_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\$ make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.M)


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_extras_are_those_of_the_package():
    pyproject = (ROOT / "pyproject.toml").read_text()
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", README, flags=re.M)))
    assert len(named) >= 8
    assert [extra for extra in named if not re.search(rf"^{extra} = \[", pyproject, flags=re.M)] == []
