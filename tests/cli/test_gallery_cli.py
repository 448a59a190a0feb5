"""The `gallery` commands, each run on a real file."""

import io
import json
import re
import shutil
import sqlite3
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import numpy as np
import pytest

from facespace.cli import main
from facespace.model import read_model, write_model
from facespace.model.file import weights_sha256


@pytest.fixture(scope="module")
def filled(model_path, people, tmp_path_factory):
    """A gallery of three people with two photos each; tests copy it."""
    folder = tmp_path_factory.mktemp("gallery")
    run = runner(model_path, folder)
    for name, person in (("Ada", "s1"), ("Ben", "s2"), ("Cleo", "s3")):
        ok(run("enrol", name, people / person / "1.pgm", people / person / "2.pgm", "-g", "people.db"))
    return folder / "people.db"


@pytest.fixture
def run(filled, model_path, tmp_path):
    """Run `facespace ...` next to a copy of the gallery and return the result."""
    with sqlite3.connect(filled) as source, sqlite3.connect(tmp_path / "people.db") as target:
        source.backup(target)
    return runner(model_path, tmp_path)


def runner(model_path, folder):
    """Run the program in this process, which is faster; test_cli.py also starts processes."""

    def call(*words, **environment):
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["facespace", *map(str, words)])
            for name, value in {"COLUMNS": "200", "FACESPACE_MODEL": str(model_path), **environment}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        return SimpleNamespace(returncode=ended.value.code, stdout=out.getvalue(), stderr=err.getvalue())

    return call


def ok(process):
    assert process.returncode == 0, process.stderr
    return process.stdout


def refused(process, message):
    assert process.returncode == 2
    assert re.search(message, process.stderr), process.stderr
    assert "Traceback" not in process.stderr


def listed(run, gallery="people.db", **environment):
    found = json.loads(ok(run("people", "-g", gallery, "--json", **environment)))["people"]
    return {person["name"]: person["faces"] for person in found}


def test_a_vector_engine_searches_a_gallery_until_it_is_removed(run, people, tmp_path):
    pytest.importorskip("lancedb", reason="the extra lancedb is not installed")
    words = ("identify", people / "s1" / "1.pgm", "-g", "people.db", "--json")
    alone = json.loads(ok(run(*words)))
    refused(run("gallery", "index", "-g", "people.db", "--engine", "milvus:x"), "milvus:x' is no vector engine; give")
    built = ok(run("gallery", "index", "-g", "people.db", "--engine", "lancedb:engine"))
    assert "built the exact index of 3 people" in built
    assert (tmp_path / "engine").is_dir()
    assert json.loads(ok(run(*words))) == alone
    ok(run("gallery", "index", "-g", "people.db", "--engine", "none"))
    shutil.rmtree(tmp_path / "engine")
    assert json.loads(ok(run(*words))) == alone


def test_a_rename_a_merge_and_its_undo(run):
    assert "renamed Ada to Augusta" in ok(run("gallery", "rename", "Ada", "Augusta", "-g", "people.db"))
    assert "to undo it: facespace gallery undo Ben" in ok(run("gallery", "merge", "Augusta", "Ben", "-g", "people.db"))
    assert listed(run) == {"Ben": 4, "Cleo": 2}
    assert "Augusta is a separate person again" in ok(run("gallery", "undo", "Ben", "-g", "people.db"))
    assert listed(run) == {"Augusta": 2, "Ben": 2, "Cleo": 2}
    refused(run("gallery", "undo", "Ben", "-g", "people.db"), "nobody was merged")
    refused(run("gallery", "rename", "Ben", "Cleo", "-g", "people.db"), "merge the two instead")
    refused(run("gallery", "merge", "Ada", "Ben", "-g", "people.db"), "there is no 'Ada'")


def test_a_face_is_shown_and_moved_to_another_person(run):
    shown = json.loads(ok(run("gallery", "show", "Ada", "-g", "people.db", "--json")))
    assert shown["person"]["name"] == "Ada"
    assert len(shown["faces"]) == 2
    face = shown["faces"][0]["id"]
    assert f"moved face {face} to Dora" in ok(run("gallery", "move", face, "Dora", "-g", "people.db"))
    assert listed(run) == {"Ada": 1, "Ben": 2, "Cleo": 2, "Dora": 1}
    assert re.search(rf"\b{face}\b", ok(run("gallery", "show", "Dora", "-g", "people.db")))
    refused(run("gallery", "move", 999, "Dora", "-g", "people.db"), "no face 999")


def test_the_audit_log_is_shown_and_tampering_is_detected(run, people, tmp_path):
    ok(run("identify", people / "s1" / "3.pgm", "-g", "people.db"))
    log = json.loads(ok(run("gallery", "audit", "-g", "people.db", "--json")))
    assert [event["action"] for event in log["events"]] == ["enrol", "enrol", "enrol", "search"]
    noted = log["hash"]
    assert noted in ok(run("gallery", "audit", "-g", "people.db"))
    assert "unchanged" in ok(run("gallery", "audit", "-g", "people.db", "--expect", noted))
    with sqlite3.connect(tmp_path / "people.db") as db:
        db.execute("DELETE FROM audit WHERE number = 4")
    assert "unchanged" in ok(run("gallery", "audit", "-g", "people.db"))
    refused(run("gallery", "audit", "-g", "people.db", "--expect", noted), "audit log")
    with sqlite3.connect(tmp_path / "people.db") as db:
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE number = 2")
    refused(run("gallery", "audit", "-g", "people.db"), "audit log")
    refused(run("gallery", "check", "-g", "people.db"), "audit log")


def test_a_backup_is_complete_never_overwritten_and_named_when_a_person_is_removed(run, tmp_path):
    assert "copied people.db to copy.db" in ok(run("gallery", "backup", "copy.db", "-g", "people.db"))
    refused(run("gallery", "backup", "copy.db", "-g", "people.db"), "exists already")
    ok(run("gallery", "index", "-g", "people.db"))
    assert (tmp_path / "people.db.index").is_dir()
    removed = run("remove", "Ben", "-g", "people.db")
    assert "removed Ben with 2 faces" in ok(removed)
    assert "copy.db still contains them" in removed.stderr
    assert not (tmp_path / "people.db.index").exists()
    assert listed(run) == {"Ada": 2, "Cleo": 2}
    assert listed(run, "copy.db") == {"Ada": 2, "Ben": 2, "Cleo": 2}
    refused(run("remove", "Ben", "-g", "people.db"), "there is no 'Ben'")
    assert "no errors found: 2 people, 4 faces" in ok(run("gallery", "check", "-g", "people.db"))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_export_is_imported_only_once(run, people, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    assert "wrote 3 people" in ok(run("gallery", "export", f"all.{kind}", "-g", "people.db"))
    assert "added 3 people and 6 faces; 0 faces were already" in ok(
        run("gallery", "import", f"all.{kind}", "-g", "new.db")
    )
    assert "added 0 people and 0 faces; 6 faces were already" in ok(
        run("gallery", "import", f"all.{kind}", "-g", "new.db")
    )
    assert listed(run, "new.db") == listed(run)
    answers = [ok(run("identify", people / "s2" / "4.pgm", "-g", name, "--json")) for name in ("people.db", "new.db")]
    assert answers[0] == answers[1]
    refused(run("gallery", "import", "people.db", "-g", "new.db"), r"\.jsonl")


def test_a_damaged_gallery_is_reported_and_readable_faces_are_recovered(run, tmp_path):
    with sqlite3.connect(tmp_path / "people.db") as db:
        db.execute("UPDATE face SET original = x'00' WHERE id = 3")
    refused(run("gallery", "check", "-g", "people.db"), "damaged")
    assert "recovered 5 faces of 3 people; 1 faces were lost" in ok(
        run("gallery", "salvage", "people.db", "-g", "saved.db")
    )
    assert listed(run, "saved.db") == {"Ada": 2, "Ben": 1, "Cleo": 2}


def test_an_encrypted_gallery_needs_its_key(run, people, tmp_path):
    pytest.importorskip("cryptography", reason="the extra encryption is not installed")
    for name in ("key", "other"):
        assert f"wrote a new key to {name}" in ok(run("gallery", "key", name))
    refused(run("gallery", "key", "key"), "exists")
    ok(run("enrol", "Ada", people / "s1" / "1.pgm", "-g", "sealed.db", "--key-file", "key"))
    refused(run("people", "-g", "sealed.db"), "is encrypted; give its key")
    refused(run("people", "-g", "sealed.db", "--key-file", "other"), "encrypted with another key")
    refused(run("people", "-g", "people.db", "--key-file", "key"), "is not encrypted")
    assert "Ada" in ok(run("people", "-g", "sealed.db", "--key-file", "key"))
    key = (tmp_path / "key").read_text()
    assert listed(run, "sealed.db", FACESPACE_GALLERY_KEY=key) == {"Ada": 1}


@pytest.fixture
def another_model(model_path, tmp_path):
    """The same network with other weights: `write(name, **card)` writes a model file with changes to its card."""
    import onnx
    from onnx import numpy_helper

    network = onnx.load(model_path)
    for weights in network.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            changed = values + 0.3 * values.std() * np.random.default_rng(0).normal(size=values.shape)
            weights.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), weights.name))
    content = network.SerializeToString()

    def write(name, **card):
        changed = {"weights_sha256": weights_sha256(content, name), **card}
        write_model(tmp_path / name, content, read_model(model_path).card.model_copy(update=changed))
        return tmp_path / name

    return write


def test_a_gallery_moves_to_another_model_from_its_photos(run, people, another_model, filled, tmp_path):
    new = another_model("new.onnx")
    refused(run("identify", people / "s1" / "4.pgm", "-g", "people.db", "-m", new), "holds embeddings of the space")
    assert "embedded 6 faces" in ok(run("gallery", "upgrade", "-g", "people.db", "-m", new))
    refused(run("people", "-g", "people.db"), "holds embeddings of the space")
    found = json.loads(ok(run("identify", people / "s1" / "1.pgm", "-g", "people.db", "-m", new, "--json")))
    assert found["photos"][0]["faces"][0]["candidates"][0]["name"] == "Ada"
    assert "no errors found: 3 people, 6 faces" in ok(run("gallery", "check", "-g", "people.db", "-m", new))
    assert json.loads(ok(run("gallery", "upgrade", "-g", "people.db", "-m", new, "--json")))["faces"] == 0


def test_faces_whose_photos_are_gone_stop_an_upgrade_unless_they_may_be_dropped(run, people, another_model, tmp_path):
    new = another_model("new.onnx")
    (tmp_path / "gone.pgm").write_bytes((people / "s4" / "1.pgm").read_bytes())
    ok(run("enrol", "Dora", tmp_path / "gone.pgm", "-g", "people.db"))
    (tmp_path / "gone.pgm").unlink()
    refused(run("gallery", "upgrade", "-g", "people.db", "-m", new), "1 faces of people.db cannot be re-embedded")
    assert listed(run) == {"Ada": 2, "Ben": 2, "Cleo": 2, "Dora": 1}
    done = run("gallery", "upgrade", "-g", "people.db", "-m", new, "--drop")
    assert "dropped 1" in ok(done)
    assert "dropped a face of" in done.stderr
    assert listed(run, FACESPACE_MODEL=str(new)) == {"Ada": 2, "Ben": 2, "Cleo": 2, "Dora": 0}


def test_only_a_compatible_model_keeps_the_old_embeddings(run, model_path, another_model):
    refused(
        run("gallery", "upgrade", "--mix", "-g", "people.db", "-m", another_model("other.onnx")),
        "does not say that its embeddings can be compared",
    )
    # Without --model, the default model is used, which is not compatible either.
    with_default = run(
        "gallery", "upgrade", "--mix", "-g", "people.db", FACESPACE_MODEL=str(another_model("third.onnx"))
    )
    refused(with_default, "does not say that its embeddings can be compared")
    harmonic = another_model("harmonic.onnx", comparable_with=read_model(model_path).card.space_id)
    text = ok(run("gallery", "upgrade", "--mix", "-g", "people.db", "-m", harmonic))
    assert f"now uses the model {read_model(harmonic).card.name}; old and new embeddings are compared" in text
    assert listed(run, FACESPACE_MODEL=str(harmonic)) == {"Ada": 2, "Ben": 2, "Cleo": 2}


def test_only_enrol_and_import_create_a_gallery(run, people, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    for words in (
        ("identify", people / "s1" / "3.pgm"),
        ("people",),
        ("remove", "Ada"),
        ("gallery", "show", "Ada"),
        ("gallery", "rename", "Ada", "Augusta"),
        ("gallery", "merge", "Ada", "Ben"),
        ("gallery", "undo", "Ada"),
        ("gallery", "move", 1, "Ada"),
        ("gallery", "audit"),
        ("gallery", "check"),
        ("gallery", "index"),
        ("gallery", "backup", "copy.db"),
        ("gallery", "export", "all.jsonl"),
        ("gallery", "upgrade"),
    ):
        refused(run(*words, "-g", "typo.db"), r"there is no gallery typo\.db; check the path")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_suspected_duplicate_person_is_reported(run, people):
    ok(run("enrol", "Dora", people / "s4" / "1.pgm", "-g", "people.db"))
    done = run("enrol", "Dorothea", people / "s4" / "1.pgm", "-g", "people.db")
    ok(done)
    assert "Dorothea looks like Dora" in done.stderr
    assert "either name may be given to their photos" in " ".join(done.stderr.split())


@pytest.mark.parametrize("words", [("show", "Ada"), ("audit",), ("check",), ("backup", "copy.db"), ("upgrade",)])
def test_a_file_that_is_not_a_gallery_is_one_message_and_status_2(run, tmp_path, words):
    (tmp_path / "notes.db").write_text("not a database at all, whatever its name says" * 30)
    refused(run("gallery", *words, "-g", "notes.db"), "gallery")
    assert (tmp_path / "notes.db").read_text().startswith("not a database")
