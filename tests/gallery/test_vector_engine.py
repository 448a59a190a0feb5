"""A vector engine beside the store: it proposes and the store decides; failures of the engine do not change answers."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from points import DIMENSION, SPACE, NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import Gallery, backup, open_store, upgrade
from facespace.gallery.engine import EngineIndex, open_engine
from facespace.gallery.vectors import State

pytest.importorskip("lancedb", reason="the extra lancedb is not installed")

NAMES = ["Ada", "Grüße 王芳 ☃", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "עברית", "O'Neill; DROP TABLE points", "a\u0301 é", "🧑‍🚀"]


@pytest.fixture
def place(tmp_path):
    return f"lancedb:{tmp_path / 'engine'}"


def people(count=40):
    named = [(name, new_faces(name, 2), None) for name in NAMES]
    return named + [(f"P{i}", new_faces(f"P{i}", 1 + i % 3), {"n": i}) for i in range(count - len(NAMES))]


def with_engine(path, place, space=None, count=40):
    """A gallery of some people that an engine searches."""
    gallery = Gallery(path, space or NamedSpace())
    gallery.store.add_all(people(count))
    gallery.index.use(place)
    gallery.index.build()
    return gallery


def answers(gallery, asked=("P3/8", "Ada/4+P7/3", "Stranger/1", "Grüße 王芳 ☃/5+🧑‍🚀/6")):
    return [gallery.identify(photo, audit=False) for photo in asked]


def points_of(gallery):
    """The ids that the engine holds."""
    return sorted(gallery.index._shared._engine._points().to_arrow()["id"].to_pylist())


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_answers_are_those_of_sqlite_alone_whatever_is_done(kind, tmp_path, place, request):
    where = tmp_path / "searched.db" if kind == "sqlite" else request.getfixturevalue("postgres")()
    found = []
    with with_engine(where, place) as engine, Gallery(tmp_path / "alone.db", NamedSpace()) as alone:
        alone.store.add_all(people())
        for gallery in (engine, alone):
            gallery.merge("P1", "P2")
            gallery.merge("P3", "P4")
            gallery.undo_merge("P4")
            gallery.rename("P7", "Renamed ☃")
            gallery.remove("P8")
            gallery.move(gallery.faces("P5")[0].id, "P6")
            gallery.enrol("P9", ["P9/7", "Somebody/1"])
            asked = [f"P{i}/9+P{i + 1}/9+S{i}/0" for i in range(0, 30, 3)] + [f"{name}/9" for name in NAMES]
            found.append(answers(gallery, asked))
        # Distances, thresholds and candidates too: every number is that of the index in memory.
        assert found[0] == found[1]
        assert len(engine) == len(alone) == 38


def test_an_approximate_engine_proposes_and_exact_distances_decide(tmp_path, place):
    with with_engine(tmp_path / "people.db", place, count=600) as gallery:
        exact = answers(gallery, [f"P{i}/9" for i in range(0, 500, 25)])
        gallery.index.build("approximate")
        assert gallery.index.kind == "approximate"
        found = answers(gallery, [f"P{i}/9" for i in range(0, 500, 25)])
        assert [[face.name for face in faces] for faces in found] == [[f.name for f in faces] for faces in exact]
        assert [faces[0].candidates[0] for faces in found] == [faces[0].candidates[0] for faces in exact]
        gallery.store.add("Late", new_faces("Late"))
        assert gallery.identify("Late/3")[0].name == "Late"


def test_the_threshold_knows_how_many_people_there_are_not_how_many_were_proposed(tmp_path, place):
    with with_engine(tmp_path / "people.db", place, count=300) as gallery:
        alone = Gallery(tmp_path / "alone.db", NamedSpace())
        alone.store.add_all(people(300))
        with alone:
            assert len(gallery) == 300
            assert gallery.threshold(0.01) == alone.threshold(0.01)


def test_everybody_finds_who_was_enrolled_at_the_next_search_and_nobody_who_was_removed(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as mine, Gallery(tmp_path / "people.db", NamedSpace()) as theirs:
        assert isinstance(theirs.index._shared, EngineIndex)
        theirs.enrol("Late", ["Late/1"])
        assert mine.identify("Late/4")[0].name == "Late"
        mine.remove("Late")
        assert theirs.identify("Late/4")[0].name is None
        assert points_of(theirs) == sorted(person.id for person in theirs.people())


def test_a_removed_person_is_in_no_file_of_the_engine(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery:
        gone = gallery.store.find("P5")
        (_, codes) = gallery.store.template_codes([gone.id])
        from facespace.metric import dequantise, normalise

        mark = normalise(dequantise(codes))[0].astype(np.float32).tobytes()[:16]
        files = [path for path in (tmp_path / "engine").rglob("*") if path.is_file()]
        assert any(mark in path.read_bytes() for path in files)
        assert gallery.remove("P5").overwritten
        files = [path for path in (tmp_path / "engine").rglob("*") if path.is_file()]
        assert not any(mark in path.read_bytes() for path in files)


def test_a_removal_says_where_the_engine_still_holds_the_person(tmp_path, place, monkeypatch):
    with with_engine(tmp_path / "people.db", place) as gallery:
        monkeypatch.setattr("facespace.gallery.lance._REWRITTEN", 10)
        assert not gallery.remove("P5").overwritten
        (tmp_path / "engine").rename(tmp_path / "elsewhere")
        (tmp_path / "engine").write_text("no folder")
        assert not gallery.remove("P6").overwritten
        assert {"P5", "P6"}.isdisjoint(person.name for person in gallery.people())
        (tmp_path / "engine").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "engine")
        assert gallery.identify("P5/8+P6/8")[0].name is None
        assert points_of(gallery) == sorted(person.id for person in gallery.people())


def test_an_engine_that_is_ahead_of_a_restored_store_is_written_again(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery:
        backup(gallery.store, tmp_path / "copy.db")
        gallery.store.add("Late", new_faces("Late"))
        gallery.merge("P2", "P4")
        assert gallery.identify("Late/3")[0].name == "Late"
    with Gallery(tmp_path / "copy.db", NamedSpace()) as gallery:
        assert gallery.identify("Late/3+P2/8")[0].name is None
        assert gallery.identify("P2/8")[0].name == "P2"
        assert points_of(gallery) == sorted(person.id for person in gallery.people())


@pytest.mark.parametrize("lost", ["all", "state", "points", "rows"])
def test_an_engine_that_was_lost_is_written_again_from_the_store(tmp_path, place, lost):
    with with_engine(tmp_path / "people.db", place) as gallery:
        before = answers(gallery)
        engine = gallery.index._shared._engine
        if lost == "rows":
            # As after an old copy was restored: it says that it is whole.
            engine._points().delete("id < 5")
        else:
            for path in (tmp_path / "engine").iterdir():
                if lost == "all" or path.name.startswith(lost):
                    shutil.rmtree(path)
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        assert answers(gallery) == before
        assert points_of(gallery) == sorted(person.id for person in gallery.people())


def test_an_engine_that_is_lost_under_a_running_process_is_an_error_and_then_whole_again(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery:
        before = answers(gallery)
        shutil.rmtree(tmp_path / "engine")
        with pytest.raises(GalleryError, match="cannot search the vector engine .*the gallery itself is untouched"):
            gallery.identify("P3/8")
        assert answers(gallery) == before


def test_while_an_engine_cannot_be_reached_the_gallery_is_whole_and_says_so(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery:
        (tmp_path / "engine").rename(tmp_path / "elsewhere")
        (tmp_path / "engine").write_text("no folder")
        gallery.store.add("New", new_faces("New"))
        with pytest.raises(GalleryError, match="vector engine .*untouched. Check that the place can be reached"):
            gallery.identify("New/4")
        assert [person.name for person in gallery.people() if person.name == "New"] == ["New"]
        (tmp_path / "engine").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "engine")
        assert gallery.identify("New/4")[0].name == "New"


def test_an_engine_in_object_storage_gives_the_same_answers_and_its_silence_is_an_error(tmp_path, storage, monkeypatch):
    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("facespace.gallery.engine.ANSWERS_WITHIN", 5.0)
    storage.client().create_bucket(Bucket="engines")
    with (
        with_engine(tmp_path / "people.db", "lancedb:s3://engines/people") as gallery,
        Gallery(tmp_path / "alone.db", NamedSpace()) as alone,
    ):
        alone.store.add_all(people())
        for each in (gallery, alone):
            each.store.add("Late", new_faces("Late"))
            each.remove("P5")
        before = answers(gallery, ("P3/8", "Late/4+P5/7", "Stranger/1"))
        assert before == answers(alone, ("P3/8", "Late/4+P5/7", "Stranger/1"))
        gallery.index._shared._deadline.seconds = 0.3
        storage.hold()
        with pytest.raises(GalleryError, match="s3://engines/people is too slow: no answer within 0.3 s; the gallery"):
            gallery.identify("P3/8")
        # Enrolment does not wait for the engine.
        gallery.store.add("Later", new_faces("Later"))
        storage.release()
        gallery.index._shared._deadline.seconds = 5.0
        assert gallery.identify("Later/3")[0].name == "Later"
        gallery.remove("Later")
        assert answers(gallery, ("P3/8", "Late/4+P5/7", "Stranger/1")) == before


def test_the_engine_of_another_gallery_is_refused_and_not_touched(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery, Gallery(tmp_path / "other.db", NamedSpace()) as other:
        before = answers(gallery)
        other.store.add("Ada", new_faces("Ada"))
        other.index.use(place)
        with pytest.raises(GalleryError, match="holds the points of another gallery .*name another place"):
            other.identify("Ada/3")
        other.index.use(None)
        assert other.identify("Ada/3")[0].name == "Ada"
        assert answers(gallery) == before


def test_an_engine_of_a_newer_version_is_refused(tmp_path, place):
    with with_engine(tmp_path / "people.db", place) as gallery:
        engine = gallery.index._shared._engine
        newer = {**vars(engine.state()), "format": 99, "unheard": 1}
        engine._base.create_table("state", [{"state": json.dumps(newer)}], mode="overwrite")
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        with pytest.raises(GalleryError, match="written by a newer facespace; upgrade facespace"):
            gallery.identify("P3/8")
        assert len(gallery.people()) == 40


def test_points_of_another_space_are_replaced_when_the_gallery_moves_to_another_model(tmp_path, place):
    with with_engine(tmp_path / "people.db", place):
        pass
    new = NamedSpace("b" * 64, 48)
    upgrade(str(tmp_path / "people.db"), new)
    with Gallery(tmp_path / "people.db", new) as gallery:
        assert [gallery.identify(f"P{i}/7")[0].name for i in (3, 4)] == ["P3", "P4"]
        assert gallery.index._shared._engine.state().space == new.id


def test_an_encrypted_gallery_gives_its_points_to_no_engine(tmp_path, place):
    pytest.importorskip("cryptography", reason="the extra encryption is not installed")
    from facespace.gallery import read_key, write_key

    write_key(tmp_path / "key")
    with Gallery(tmp_path / "people.db", NamedSpace(), read_key(tmp_path / "key")) as gallery:
        with pytest.raises(GalleryError, match="encrypted, and a vector engine would hold its embeddings in the clear"):
            gallery.index.use(place)
        gallery.store.add("Ada", new_faces("Ada"))
        assert gallery.identify("Ada/3")[0].name == "Ada"
    assert not (tmp_path / "engine").exists() or not any((tmp_path / "engine").iterdir())


@pytest.mark.parametrize("address", ["", "milvus", "lancedb:", "nothing:there"])
def test_no_engine_is_a_clear_error(address):
    with pytest.raises(GalleryError, match="no vector engine; give lancedb:FOLDER"):
        open_engine(address)


def test_a_large_gallery_is_not_written_to_an_empty_engine_unasked(tmp_path, place, monkeypatch):
    from facespace.gallery import engine

    monkeypatch.setattr(engine, "FILLED_UNASKED", 30)
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        gallery.store.add_all(people())
        gallery.index.use(place)
        with pytest.raises(GalleryError, match="does not hold the 40 people .*facespace gallery index -g"):
            gallery.identify("P3/8")
        gallery.index.build()
        assert gallery.identify("P3/8")[0].name == "P3"


WRITER = """
    import sys
    sys.path.insert(0, sys.argv[3])
    from points import NamedSpace, new_faces
    from facespace.gallery import Gallery, engine
    with Gallery(sys.argv[1], NamedSpace()) as gallery:
        for number in range(int(sys.argv[4]), int(sys.argv[4]) + int(sys.argv[5])):
            gallery.store.add(f"W{number}", new_faces(f"W{number}"))
            print(number, flush=True)
            gallery.identify(f"W{number}/1", audit=False)
"""


def writer(tmp_path, first, count, limit=None):
    """A process that enrols people, prints each that is acknowledged, and searches, which writes to the engine."""
    words = [str(tmp_path / "people.db"), "", str(Path(__file__).parent), str(first), str(count)]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_two_writers_and_one_that_is_killed_lose_nothing_that_was_acknowledged(tmp_path, place):
    with with_engine(tmp_path / "people.db", place):
        pass
    lasting, killed = writer(tmp_path, 0, 12), writer(tmp_path, 100, 1000)
    acknowledged = [int(killed.stdout.readline()) for _ in range(3)]
    killed.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in killed.communicate()[0].split()]
    printed, errors = lasting.communicate(timeout=120)
    assert lasting.returncode == 0, errors
    acknowledged += [int(line) for line in printed.split()]
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        names = {person.name for person in gallery.people()}
        assert {f"W{number}" for number in acknowledged} <= names
        for number in acknowledged:
            assert gallery.identify(f"W{number}/5", audit=False)[0].name == f"W{number}"
        assert points_of(gallery) == sorted(person.id for person in gallery.people())


def test_without_space_for_the_engine_an_error_says_so_and_enrolled_people_are_kept(tmp_path, place):
    with with_engine(tmp_path / "people.db", place, count=900):
        pass
    # The engine's files become larger than one may be here; those of the store do not.
    shutil.rmtree(tmp_path / "engine")
    limit = (tmp_path / "people.db").stat().st_size // 8
    full = writer(tmp_path, 0, 1, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    printed, errors = full.communicate(timeout=120)
    assert full.returncode != 0
    assert "the gallery itself is untouched" in errors, errors
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        assert len(gallery.people()) == 900 + len(printed.split())
        assert gallery.identify("P3/8", audit=False)[0].name == "P3"


def test_a_state_that_makes_no_sense_is_none(tmp_path, place):
    engine = open_engine(place)
    assert engine.state() is None
    engine.begin(State("mark", SPACE, 0), DIMENSION)
    assert engine.state() == State("mark", SPACE, 0)
    for text in ("", "{}", "[1]", '{"format": 1}'):
        engine._base.create_table("state", [{"state": text}], mode="overwrite")
        assert engine.state() is None


def test_settings_of_a_store_are_read_by_all_processes(tmp_path):
    store, other = (open_store(tmp_path / "people.db", SPACE, DIMENSION) for _ in range(2))
    assert store.setting("mark") == ""
    assert store.setting("mark", "one") == other.setting("mark", "two") == "one"
    other.change_setting("mark", "")
    assert store.setting("mark") == ""
    store.close()
    other.close()
