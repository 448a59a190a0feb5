"""The album commands are a thin layer over the library."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from facespace.cli.app import app
from facespace.errors import AlbumError, DataError


@pytest.fixture
def run(model_path, tmp_path, monkeypatch):
    from facespace.cli import cluster, gallery  # noqa: F401

    monkeypatch.setenv("FACESPACE_MODEL", str(model_path))
    monkeypatch.chdir(tmp_path)

    def call(*words):
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_an_album_from_folder_to_sheet(run, people, tmp_path):
    answer = json.loads(run("cluster", people, "--out", "out", "--json"))
    assert answer["added"]["faces"] == 60
    assert (tmp_path / "out" / "index.html").is_file()
    assert "60 already known" in run("cluster", people, "--out", "out")
    album = "out/album.db"
    clusters = json.loads(run("album", "show", album, "--json"))["clusters"]
    first, second = clusters[0], clusters[1]
    assert "decision 1" in run("album", "merge", album, first["number"], second["number"])
    run("album", "name", album, first["number"], "Ada")
    assert "Ada" in run("album", "show", album)
    face = first["faces"][0]["number"]
    run("album", "move", album, face, "--to", clusters[2]["number"])
    run("album", "split", album, clusters[3]["faces"][0]["number"])
    assert "undid decision 4" in run("album", "undo", album)
    run("album", "undo", album, 3)
    history = json.loads(run("album", "history", album, "--json"))["decisions"]
    assert [entry["undone"] is None for entry in history] == [True, True, False, False]
    assert "people" in run("album", "recluster", album)
    questions = json.loads(run("album", "questions", album, "--json"))["questions"]
    if questions:
        run("album", "different", album, questions[0]["a"], questions[0]["b"])
    assert "index.html" in run("album", "sheet", album, "again")


def test_an_album_inside_its_photos_ignores_its_own_output(run, people, tmp_path):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    for _ in range(3):
        done = json.loads(run("cluster", folder, "--out", folder / "people", "--json"))
        assert done["added"]["photos"] == 10
    assert {entry["reason"] for entry in done["added"]["skipped"]} == {"folders that facespace wrote"}
    assert done["added"]["passed_over"] == done["added"]["skipped"]
    done = json.loads(run("cluster", folder, "--json"))
    assert sum(len(group) for group in done["groups"]) == 10


def test_missing_photos_are_listed_and_forgotten(run, people, tmp_path):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    run("cluster", folder, "--out", "out")
    (folder / "1.pgm").unlink()
    (folder / "2.pgm").rename(folder / "moved.pgm")
    done = CliRunner().invoke(app, ["cluster", str(folder), "--out", "out"])
    assert "1 photos of the album are missing" in done.stderr
    assert "album missing out/album.db" in done.stderr
    assert "1 photos were moved" in done.stderr
    assert "1.pgm" in run("album", "missing", "out/album.db")
    assert "deleted their 1 faces" in run("album", "missing", "out/album.db", "--forget")
    assert json.loads(run("album", "missing", "out/album.db", "--json"))["missing"] == []


def test_names_come_from_a_gallery(run, people):
    run("enrol", "Ada", people / "s1" / "1.pgm", people / "s1" / "2.pgm", "-g", "people.db")
    run("cluster", people, "--out", "out", "--json")
    assert "1 of 1 people" in run("album", "know", "out/album.db", "-g", "people.db")
    assert "Ada" in run("album", "show", "out/album.db")


def test_a_contradiction_is_refused(run, people):
    run("cluster", people, "--out", "out", "--json")
    run("album", "same", "out/album.db", 1, 2)
    with pytest.raises(AlbumError, match="contradicts"):
        run("album", "different", "out/album.db", 1, 2)


READING = [
    ("show",),
    ("questions",),
    ("history",),
    ("missing",),
    ("recluster",),
    ("undo",),
    ("sheet", "sheets"),
    ("merge", 1, 2),
    ("split", 1),
    ("move", 1, "--to", 2),
    ("name", 1, "Ada"),
    ("same", 1, 2),
    ("different", 1, 2),
]


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_a_mistyped_album_is_an_error_and_not_a_new_album(run, tmp_path, words):
    command, *rest = words
    with pytest.raises(AlbumError, match=r"there is no album typo\.db"):
        run("album", command, "typo.db", *rest)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_an_album_is_named(run, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(AlbumError, match=r"there is no album in photos; .* --out"):
        run("album", "show", "photos")


@pytest.mark.parametrize("name", ["faces", "people"])
def test_photos_where_a_sheet_would_be_written_are_not_deleted(run, people, tmp_path, name):
    folder = shutil.copytree(people / "s1", tmp_path / "photos" / name).parent
    with pytest.raises(AlbumError, match=rf"{name} would be replaced"):
        run("cluster", folder, "--out", folder)
    assert len(list((folder / name).iterdir())) == 10
    assert not (folder / "album.db").exists()


def test_a_mistyped_folder_of_photos_leaves_no_empty_album(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("typo", "empty"):
        with pytest.raises(DataError):
            run("cluster", folder, "--out", "out")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("words", [["--json"], ["--out", "album"]])
def test_grouping_reports_progress(people, model_path, tmp_path, monkeypatch, words):
    from facespace.cli import cluster, progress  # noqa: F401

    monkeypatch.setenv("FACESPACE_MODEL", str(model_path))
    monkeypatch.setattr(progress, "LOG_EVERY", 0.0)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["cluster", str(people / "s1"), *words], catch_exceptions=False)
    assert "finding faces: 10 photos" in done.stderr
