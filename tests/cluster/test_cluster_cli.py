"""The commands say the same words as the album and hold no logic."""

import json

import pytest
from typer.testing import CliRunner

from facespace.cli.app import app
from facespace.errors import AlbumError


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
    told = json.loads(run("cluster", people, "--out", "out", "--json"))
    assert told["added"]["faces"] == 60
    assert (tmp_path / "out" / "index.html").is_file()
    assert "60 known before" in run("cluster", people, "--out", "out")
    album = "out/album.db"
    clusters = json.loads(run("album", "show", album, "--json"))["clusters"]
    first, second = clusters[0], clusters[1]
    assert "decision 1" in run("album", "merge", album, first["number"], second["number"])
    run("album", "name", album, first["number"], "Ada")
    assert "Ada" in run("album", "show", album)
    face = first["faces"][0]["number"]
    run("album", "move", album, face, "--to", clusters[2]["number"])
    run("album", "split", album, clusters[3]["faces"][0]["number"])
    assert "undone: decision 4" in run("album", "undo", album)
    run("album", "undo", album, 3)
    history = json.loads(run("album", "history", album, "--json"))["decisions"]
    assert [entry["undone"] is None for entry in history] == [True, True, False, False]
    assert "people" in run("album", "recluster", album)
    questions = json.loads(run("album", "questions", album, "--json"))["questions"]
    if questions:
        run("album", "different", album, questions[0]["a"], questions[0]["b"])
    assert "index.html" in run("album", "sheet", album, "again")


def test_names_come_from_a_gallery(run, people):
    run("enrol", "Ada", people / "s1" / "1.pgm", people / "s1" / "2.pgm", "-g", "people.db")
    run("cluster", people, "--out", "out", "--json")
    assert "1 of 1 people" in run("album", "know", "out/album.db", "-g", "people.db")
    assert "Ada" in run("album", "show", "out/album.db")


def test_what_contradicts_is_refused(run, people):
    run("cluster", people, "--out", "out", "--json")
    run("album", "same", "out/album.db", 1, 2)
    with pytest.raises(AlbumError, match="contradicts"):
        run("album", "different", "out/album.db", 1, 2)
