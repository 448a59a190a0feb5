"""Outputs that cannot be written and names that cannot be printed: one message and status 2, never a traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facespace.cli import main
from facespace.cli.output import command_line
from facespace.images import printable


@pytest.fixture
def run(model_path, tmp_path, monkeypatch, capfdbinary):
    """Run `facespace ...` in this process and return its status, output and errors."""
    monkeypatch.setenv("FACESPACE_MODEL", str(model_path))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["facespace", *map(os.fspath, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capfdbinary.readouterr()
        for output in (written.out, written.err):
            output.decode("utf-8")
            assert b"\x1b[31mred" not in output
            assert b"Traceback" not in output
        return ended.value.code, written.out.decode(), written.err.decode()

    return call


@pytest.fixture
def latin(people, tmp_path):
    """Two people: one whose name and photos are not UTF-8, and one whose name would colour a terminal."""
    for folder, person in ((b"Zo\xeb", "s1"), (b"\x1b[31mred", "s2")):
        own = tmp_path / "people" / os.fsdecode(folder)
        own.mkdir(parents=True)
        for number in (1, 5):
            shutil.copy(people / person / f"{number}.pgm", own / os.fsdecode(b"caf\xe9%d.pgm" % number))
    return tmp_path / "people"


def ok(done):
    status, output, errors = done
    assert status == 0, errors
    return output


def test_clustering_and_galleries_accept_names_that_are_not_utf8(run, latin):
    photo = latin / os.fsdecode(b"Zo\xeb") / os.fsdecode(b"caf\xe91.pgm")
    groups = json.loads(ok(run("cluster", "people", "--json")))["groups"]
    assert r"people/Zo\xeb/caf\xe91.pgm" in {member["photo"] for group in groups for member in group}
    assert r"caf\xe91.pgm" in ok(run("cluster", "people"))
    ok(run("cluster", "people", "--out", "out"))
    assert "with 1 of 1 photos" in ok(run("enrol", "Zoë", photo, "-g", "people.db"))
    found = json.loads(ok(run("identify", photo, "-g", "people.db", "--json")))
    assert found["photos"][0]["photo"].endswith(r"Zo\xeb/caf\xe91.pgm")
    assert r"caf\xe91.pgm" in ok(run("identify", photo, "-g", "people.db"))
    ok(run("gallery", "backup", latin / os.fsdecode(b"b\xe9.db"), "-g", "people.db"))
    assert (latin / os.fsdecode(b"b\xe9.db")).is_file()
    ok(run("remove", "Zoë", "-g", "people.db"))
    status, _, errors = run("enrol", os.fsdecode(b"Zo\xeb"), photo, "-g", "people.db")
    assert status == 2
    assert "is not valid" in errors


@pytest.mark.filterwarnings("default::facespace.errors.FacespaceWarning")
def test_preparation_and_evaluation_accept_names_that_are_not_utf8(run, latin, tmp_path, model_path):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra `table`")
    ok(run("prepare", "people", "set", "--validation", "0"))
    assert r"Zo\xeb/caf\xe91.pgm" in (tmp_path / "set" / "faces.csv").read_text("utf-8")
    ok(run("faces", "people", "--out", "faces.parquet", "--crops", "people/crops"))
    import pyarrow.parquet

    assert r"Zo\xeb/caf\xe91.pgm" in pyarrow.parquet.read_table(tmp_path / "faces.parquet")["photo"].to_pylist()
    status, _, errors = run("faces", "people", "--out", "again.jsonl")
    assert status == 0
    assert "folders that facespace wrote (crops)" in errors
    report = os.fsdecode(b"r\xe9port")
    ok(run("evaluate", model_path, "--people", "people", "--protocol", "clustering", "--out", report, "--no-cache"))
    assert r"r\xe9port" in (tmp_path / report / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("cluster", "people", "--out", "file/out"),
        ("faces", "people", "--out", "file/faces.jsonl"),
        ("faces", "people", "--out", "faces.jsonl", "--crops", "file/crops"),
        ("faces", "1.pgm", "--draw", "file/drawn.png"),
        ("prepare", "people", "file/set"),
        ("evaluate", "MODEL", "--people", "people", "--protocol", "clustering", "--out", "file/report"),
        ("enrol", "Ada", "1.pgm", "-g", "file/people.db"),
        ("model", "import", "1.pgm", "file/model.onnx"),
        ("demo", "--run", "file/run"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_message(run, people, tmp_path, model_path, words):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "people" / "s1").mkdir(parents=True)
    for number in (1, 2):
        shutil.copy(people / "s1" / f"{number}.pgm", tmp_path / "people" / "s1")
    shutil.copy(people / "s1" / "1.pgm", tmp_path)
    status, _, errors = run(*(model_path if word == "MODEL" else word for word in words))
    assert status == 2
    assert "facespace: " in errors


def test_a_full_disk_is_one_message_and_a_closed_pipe_is_silent(people, model_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    photo = str(people / "s1" / "1.pgm")
    command = [sys.executable, "-m", "facespace", "verify", photo, photo, "-m", str(model_path)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*command, "--json"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*command[:-1], "absent.onnx"], stdout=full, stderr=full, timeout=300)
    assert done.returncode == 2
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(writer)
    assert done.stderr == ""


def test_characters_that_a_terminal_cannot_show_are_escaped(people, model_path, tmp_path):
    shutil.copytree(people / "s1", tmp_path / "王芳")
    command = [sys.executable, "-m", "facespace", "cluster", "王芳", "-m", str(model_path)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert rb"\u738b\u82b3" in done.stdout


def test_an_unexpected_error_is_one_message_and_a_traceback_with_debug(run, monkeypatch):
    import facespace.space

    def broken(*given, **named):
        raise ValueError("something unforeseen")

    monkeypatch.setattr(facespace.space, "load", broken)
    status, _, errors = run("verify", "a", "b")
    assert status == 2
    assert "unexpected ValueError: something unforeseen" in errors
    monkeypatch.setattr(sys, "argv", ["facespace", "--debug", "verify", "a", "b"])
    with pytest.raises(ValueError, match="unforeseen"):
        main()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no Bash")
@pytest.mark.parametrize("name", [b"a b", b"it's", b"Zo\xeb", b"it's \\ Zo\xeba"])
def test_a_printed_command_names_the_same_file_when_pasted_into_a_shell(name):
    shown = printable(command_line("printf %s", os.fsdecode(name)))
    assert subprocess.run(["bash", "-c", shown], capture_output=True, check=True).stdout == name
