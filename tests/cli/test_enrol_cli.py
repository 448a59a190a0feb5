"""Enrolment, identification and verification on the command line: questions, face numbers, quoting and exit status."""

import json
import os
import shlex
import shutil
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from test_gallery_cli import ok, refused, runner

from facespace.cli import prompts
from facespace.cli.output import command_line
from facespace.gallery import Doubt, Gallery
from facespace.model import read_model, write_model
from facespace.space import load


@pytest.fixture(scope="module")
def finding_path(model_path, tmp_path_factory):
    """The small model with a detector that finds several faces."""
    path = tmp_path_factory.mktemp("finding") / "finding.onnx"
    read = read_model(model_path)
    write_model(path, read.onnx, read.card.model_copy(update={"detector": "mtcnn", "crop": "arcface-112"}))
    return path


@pytest.fixture
def run(model_path, tmp_path):
    return runner(model_path, tmp_path)


@pytest.fixture
def party(people, tmp_path):
    """Two people; the second is the larger."""
    canvas = Image.new("RGB", (330, 220), (128, 128, 128))
    canvas.paste(Image.open(people / "s1" / "1.pgm"), (20, 40))
    canvas.paste(Image.open(people / "s2" / "1.pgm").resize((120, 146)), (180, 30))
    canvas.save(tmp_path / "party.png")
    return tmp_path / "party.png"


def test_enrolling_a_folder_prints_the_command_that_undoes_it(run, people, model_path, tmp_path):
    for person in ("s1", "s2"):
        (tmp_path / "folk" / f"{person} it's").mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(people / person / f"{number}.pgm", tmp_path / "folk" / f"{person} it's")
    shutil.copy(people / "s3" / "1.pgm", tmp_path / "folk")
    done = run("enrol", "--people", "folk", "-g", "my people.db", "--keep", "--accept-doubtful")
    assert "enrolled 2 of 2 people with 4 of 4 photos" in ok(done)
    assert "1 photos outside the people's folders (1.pgm)" in done.stderr
    shown = json.loads(ok(run("gallery", "show", "s1 it's", "-g", "my people.db", "--json")))
    assert [face["unlike_others"] for face in shown["faces"]] in ([False, False], [True, True])
    with Gallery(tmp_path / "my people.db", load(model_path)) as gallery:
        assert len(gallery.pictured(person.id for person in gallery.people())) == 2
    undo = next(line for line in done.stdout.splitlines() if line.startswith("to undo it: "))
    words = shlex.split(undo.removeprefix("to undo it: "))
    assert words[0] == "facespace"
    assert "undid 2 enrolments" in ok(run(*words[1:]))
    assert json.loads(ok(run("people", "-g", "my people.db", "--json")))["people"] == []


def test_the_largest_or_a_numbered_face_is_enrolled(run, party, finding_path, people):
    model = ("-m", finding_path, "-g", "people.db")
    refused(run("enrol", "Ada", party, *model), "use --largest for the largest face, or --face NUMBER for another")
    refused(run("enrol", "Ada", party, "--largest", "--face", "1", *model), "give one of them")
    undo = ok(run("enrol", "O'Hara", party, "--largest", "--min-quality", "0", *model))
    assert "facespace gallery undo-enrol 'O'\"'\"'Hara' -g people.db" in undo
    ok(run("enrol", "Ada", party, "--face", "1", "--min-quality", "0", *model))
    found = json.loads(ok(run("identify", party, *model, "--json")))["photos"][0]["faces"]
    nearest = [(face["face"], face["candidates"][0]["name"]) for face in found]
    assert nearest == [(1, "Ada"), (2, "O'Hara")]
    table = ok(run("identify", party, people / "s1" / "2.pgm", "-g", "people.db", "-m", finding_path))
    assert [line.split()[1] for line in table.splitlines() if "party.png" in line] == ["1", "2"]


def test_exit_code_reports_the_result_to_scripts(run, people):
    one, other = people / "s1" / "1.pgm", people / "s2" / "1.pgm"
    ok(run("enrol", "Ada", one, "-g", "people.db"))
    ok(run("enrol", "Ben", other, "-g", "people.db"))
    assert run("identify", one, "-g", "people.db", "--exit-code", "--fpir", "0.9").returncode == 0
    assert run("identify", people / "s5" / "1.pgm", "-g", "people.db", "--exit-code", "--fpir", "1e-9").returncode == 1
    done = run("identify", one, "absent.jpg", "-g", "people.db", "--fpir", "0.9")
    assert "Ada" in ok(done)
    assert "left out absent.jpg" in done.stderr
    verdicts = {"same": 0, "different": 1, "unclear": 3}
    for photo in (one, other):
        verdict = json.loads(run("verify", one, photo, "--json").stdout)["verdict"]
        assert run("verify", one, photo, "--exit-code").returncode == verdicts[verdict]


def test_verify_says_which_face_it_compared(run, party, finding_path):
    done = run("verify", party, party, "--face-a", "1", "-m", finding_path)
    assert "party.png shows 2 faces; face 1 was compared, as asked" in done.stderr.replace("\n", " ")
    assert "--face-b NUMBER" in done.stderr
    refused(run("verify", party, party, "--face-b", "7", "-m", finding_path), "so there is no face 7")


def test_an_album_is_named_by_its_folder_and_printed_commands_quote_it(run, people, tmp_path):
    assert "facespace cluster" in ok(run("cluster", people / "s1"))
    ok(run("cluster", people / "s1", "--out", "my album"))
    assert ok(run("album", "show", "my album")) == ok(run("album", "show", "my album/album.db"))
    shown = json.loads(ok(run("album", "show", "my album", "--json")))["clusters"][0]
    done = ok(run("album", "name", "my album", shown["number"], "Ada"))
    assert "facespace album undo 'my album/album.db' 1" in done


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "0.0.0.0"], "without API keys"),
        (["--gallery", "notes.db"], "gallery"),
        (["--model", "absent.onnx"], "cannot read the model file"),
        (["--jobs", "notes.db"], "cannot write clustering jobs to notes.db"),
        (["--port", "BUSY"], "cannot listen on 127.0.0.1.*choose another --port"),
    ],
)
def test_a_service_that_cannot_start_does_not_claim_to_listen(run, tmp_path, words, message):
    pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
    (tmp_path / "notes.db").write_text("not a database at all, whatever its name says" * 30)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        done = run("serve", *(str(busy.getsockname()[1]) if word == "BUSY" else word for word in words))
    refused(done, message)
    assert "listening" not in done.stdout


def test_a_user_at_a_terminal_is_asked(monkeypatch):
    faces = [SimpleNamespace(box=(0, 0, 10, 10)), SimpleNamespace(box=(20, 0, 30, 10))]
    answers = iter([7, 2, 0])
    monkeypatch.setattr(prompts.typer, "prompt", lambda *words, **settings: next(answers))
    assert prompts.which_face("Ada")("party.jpg", faces) == 1
    assert prompts.which_face("Ada")("party.jpg", faces) is None
    monkeypatch.setattr(prompts.typer, "confirm", lambda question, **settings: "Ada" in question)
    assert prompts.enrol_anyway(Doubt("Ada", ("a.jpg",), "looks like somebody else"))


def test_a_printed_command_can_be_read_back_by_a_shell():
    words = ["-g", "O'Hara & sons.db", "a b", "--after", "3"]
    assert shlex.split(command_line("facespace x", *words)) == ["facespace", "x", *words]


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are always Unicode")
def test_folder_names_that_are_not_utf8_are_enrolled(run, people, tmp_path):
    folder = os.fsencode(tmp_path) + b"/folk/Ren\xe9"
    Path(os.fsdecode(folder)).mkdir(parents=True)
    shutil.copy(people / "s1" / "1.pgm", os.fsdecode(folder))
    assert "enrolled 1 of 1 people" in ok(run("enrol", "--people", "folk", "-g", "people.db"))
    listed = json.loads(ok(run("people", "-g", "people.db", "--json")))["people"]
    assert [person["name"] for person in listed] == ["Ren\\xe9"]


def test_a_folder_in_which_nobody_can_be_enrolled_is_an_error_and_creates_no_gallery(run, tmp_path):
    (tmp_path / "folk" / "Ada").mkdir(parents=True)
    (tmp_path / "folk" / "Ada" / "1.jpg").write_bytes(b"no photo")
    refused(run("enrol", "--people", "folk", "-g", "new.db"), "none of the 1 people in folk can be enrolled")
    refused(run("enrol", "Ada", "absent.jpg", "-g", "new.db"), "absent.jpg")
    refused(run("gallery", "import", "absent.jsonl", "-g", "new.db"), "absent.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["folk"]


def test_json_has_the_old_names_of_fields_too(run, people, tmp_path):
    ok(run("enrol", "Ada", people / "s1" / "1.pgm", "-g", "people.db", "--min-quality", "0"))
    done = json.loads(ok(run("identify", people / "s1" / "1.pgm", "-g", "people.db", "--json")))
    face = done["photos"][0]["faces"][0]
    assert (face["person"], face["number"]) == (face["name"], face["person_id"])
    assert face["candidates"][0]["person"] == face["candidates"][0]["person_id"]
