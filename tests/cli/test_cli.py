"""The command line as a user runs it: a process, its output and its exit status."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def run(model_path, tmp_path):
    """Run `facespace ...` and return the finished process."""

    def call(*words, model=True):
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        if model:
            environment["FACESPACE_MODEL"] = str(model_path)
        command = [sys.executable, "-m", "facespace", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)

    return call


def ok(process):
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_verify_prints_text_or_json(run, people, space):
    a, b = people / "s1" / "1.pgm", people / "s1" / "2.pgm"
    answer = json.loads(ok(run("verify", a, b, "--json")))
    expected = space.verify(a, b)
    assert answer["same"] == expected.same
    assert answer["distance"] == pytest.approx(expected.distance, abs=1e-5)
    assert answer["far"] == space.far
    text = ok(run("verify", a, b))
    assert text.startswith(expected.headline)
    assert expected.explanation in text
    assert answer["verdict"] == expected.verdict
    assert (answer["a"]["faces"], answer["a"]["face"]) == (1, 1)
    assert f"{expected.distance:.3f}" in text


def test_enrol_identify_people_and_remove_work_on_one_file(run, people):
    text = ok(run("enrol", "Ada [admin]", people / "s1" / "1.pgm", people / "s1" / "2.pgm", "-g", "people.db"))
    assert "enrolled Ada [admin] with 2 of 2 photos" in text
    ok(run("enrol", "王芳", people / "s2" / "1.pgm", "--gallery", "people.db"))
    found = json.loads(ok(run("identify", people / "s1" / "1.pgm", "-g", "people.db", "--json", "--fpir", "0.5")))
    (face,) = found["photos"][0]["faces"]
    assert face["person"] == "Ada [admin]"
    assert [candidate["name"] for candidate in face["candidates"]] == ["Ada [admin]", "王芳"]
    table = ok(run("identify", people / "s1" / "1.pgm", "-g", "people.db", "--fpir", "0.5"))
    assert "Ada [admin]" in table
    assert "王芳" in ok(run("people", "-g", "people.db"))
    ok(run("remove", "王芳", "-g", "people.db"))
    assert [p["name"] for p in json.loads(ok(run("people", "-g", "people.db", "--json")))["people"]] == ["Ada [admin]"]


def test_cluster_groups_a_folder(run, people):
    found = json.loads(ok(run("cluster", people, "--json")))
    assert sum(len(group) for group in found["groups"]) == 60
    assert f"{len(found['groups'])} people" in ok(run("cluster", people))


def test_model_show_prints_the_card(run, model_path):
    text = ok(run("model", "show", model_path))
    for word in ("random-weights", "40x48 RGB", "threshold at FAR 0.1", "average linkage"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "absent.jpg", "absent.jpg"], r"cannot read absent\.jpg: No such file"),
        (["identify", "absent.jpg", "-g", "no/such/people.db"], r"there is no gallery no/such/people\.db"),
        (["cluster", "absent"], "absent does not exist; give a folder of photos"),
        (["train", "demos"], "no built-in recipe of that name; did you mean 'demo'"),
        (["export", "model.onnx", "--run", "nowhere"], "contains no checkpoint; train first"),
        (["verify", "a", "b", "-m", "absent.onnx"], r"cannot read the model file absent\.onnx"),
        (["verify", "a", "b", "--provider", "cuda"], "onnxruntime has no execution provider 'cuda'"),
    ],
)
def test_an_error_is_one_message_and_status_2(run, words, message):
    done = run(*words)
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback(run):
    done = run("--debug", "cluster", "absent")
    assert "Traceback" in done.stderr
    assert done.returncode != 0


def test_an_unusable_photo_is_a_warning_and_the_rest_is_enrolled(run, people, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    done = run("enrol", "Ada", people / "s1" / "1.pgm", "bad.jpg", "-g", "people.db")
    assert "enrolled Ada with 1 of 2 photos" in ok(done)
    assert "left out bad.jpg: bad.jpg is not an image" in done.stderr


def test_help_and_version(run):
    import facespace

    assert ok(run("--version")).strip() == f"facespace {facespace.__version__}"
    text = ok(run("--help"))
    for command in ("verify", "enrol", "identify", "cluster", "evaluate", "train", "export", "model", "demo"):
        assert command in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to complete commands in")
def test_completion_is_shown_for_the_shell_that_asks():
    # The shell is the parent process; with a second command bash stays it.
    asked = ["bash", "-c", f"{shlex.quote(sys.executable)} -m facespace --show-completion; exit $?"]
    assert "complete" in ok(subprocess.run(asked, capture_output=True, text=True, check=False))


def test_verification_identification_and_clustering_work_without_torch(people, model_path):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'sklearn', 'scipy', 'matplotlib']))\n"
        "import facespace as fs, tempfile, pathlib\n"
        f"space, people = fs.load({str(model_path)!r}), pathlib.Path({str(people)!r})\n"
        "assert space.verify(people / 's1/1.pgm', people / 's1/1.pgm').same\n"
        "with fs.Gallery(tempfile.mkdtemp() + '/people.db', space) as gallery:\n"
        "    gallery.enrol('Ada', people / 's1/1.pgm')\n"
        "    assert gallery.identify(people / 's1/1.pgm')[0].name == 'Ada'\n"
        "assert fs.cluster(space, people).groups\n"
        "print('answered')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "answered", done.stderr
