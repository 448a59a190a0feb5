"""What the README says works: its code is run as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from facespace.demo.orl import lay_out
from facespace.train.recipe import read_recipe

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


@pytest.fixture
def after_the_demo(orl, model_path, tmp_path, monkeypatch):
    """A folder as `make demo` leaves it, with a network of random weights in place of the trained one."""
    lay_out(tmp_path / "runs" / "demo" / "photos" / "unseen", 31, 40)
    (tmp_path / "runs" / "demo" / "model.onnx").write_bytes(model_path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_code_runs(after_the_demo, capsys):
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "pairs of different people" in said
    assert "photos of one person, such as" in said


def test_the_commands_run(after_the_demo):
    environment = dict(os.environ)
    ran = 0
    for line in "".join(blocks("console")).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words[0] == "export":
            environment.update(word.split("=", 1) for word in words[1:])
        elif words[0] == "facespace" and words[1] not in ("train", "export", "evaluate"):
            command = [sys.executable, "-m", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            ran += 1
    assert ran >= 5


def test_the_recipe_is_one(tmp_path):
    (recipe,) = blocks("toml")
    (tmp_path / "mine.toml").write_text(recipe)
    assert read_recipe(tmp_path / "mine.toml").data.train == tmp_path / "people"


def test_the_make_commands_exist():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"\$ make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.M)
