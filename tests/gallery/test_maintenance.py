"""Backup, check, salvage, export and import, and a gallery of the first version."""

import sqlite3
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from points import DIMENSION, SPACE, NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import Gallery, backup, check, export_gallery, import_gallery, open_store, salvage
from facespace.gallery.sql import MIGRATIONS
from facespace.metric import quantise


def opened(path):
    return open_store(path, SPACE, DIMENSION)


@pytest.fixture
def store(tmp_path):
    made = opened(tmp_path / "people.db")
    made.add_all([(f"P{i}", new_faces(f"P{i}", 2), {"n": i}) for i in range(30)])
    yield made
    made.close()


def content(store):
    return [
        (person.name, dict(person.attributes), [(f.photo, f.box, f.quality, f.embedding.tobytes()) for f in faces])
        for person in store.people()
        for faces in [store.faces(person.id)]
    ]


def test_a_backup_made_during_writes_is_consistent(store, tmp_path):
    stop = threading.Event()

    def write():
        other, number = opened(tmp_path / "people.db"), 0
        while not stop.is_set():
            other.add(f"W{number}", new_faces(f"W{number}", 3))
            number += 1
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            backup(store, tmp_path / f"copy{number}.db")
    finally:
        stop.set()
        writer.join()
    copy = opened(tmp_path / "copy2.db")
    checked = check(copy)
    assert checked.people >= 30
    copy.close()
    with pytest.raises(GalleryError, match="exists already"):
        backup(store, tmp_path / "copy1.db")
    with pytest.raises(GalleryError, match="cannot back up"):
        backup(store, tmp_path / "absent" / "copy.db")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_an_export_is_imported_unchanged_and_only_once(store, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="the extra table is not installed")
    assert export_gallery(store, tmp_path / f"all.{ending}") == 30
    other = opened(tmp_path / "other.db")
    done = import_gallery(other, tmp_path / f"all.{ending}")
    assert (done.people, done.faces, done.known) == (30, 60, 0)
    assert content(other) == content(store)
    again = import_gallery(other, tmp_path / f"all.{ending}")
    assert (again.people, again.faces, again.known) == (0, 0, 60)
    check(other)
    other.close()
    assert (tmp_path / f"all.{ending}").stat().st_mode & 0o777 == 0o600


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    attributes=st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=9)),
)
def test_any_name_and_attributes_survive_an_export(store, tmp_path, name, attributes):
    store.add(name, new_faces("x"), attributes)
    export_gallery(store, tmp_path / "all.jsonl")
    (tmp_path / "other.db").unlink(missing_ok=True)
    other = opened(tmp_path / "other.db")
    import_gallery(other, tmp_path / "all.jsonl")
    assert content(other) == content(store)
    other.close()
    with store.writing("test"):
        store.sql.run("DELETE FROM person WHERE name = ?", (name,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", None),
        ("{}\n", "not an exported gallery"),
        ('{"facespace gallery": 1, "space": "b"}\n', "holds embeddings of the space b"),
        ("{nonsense\n", "line 1, is not JSON"),
        ("HEAD{\n", "line 2, is not JSON"),
        ('HEAD{"name": "X"}\n', "is damaged at"),
        (
            'HEAD{"name":"X","attributes":{},"faces":[{"photo":"p","box":[0,0,1,1],"quality":null,"embedding":"AAAA"}]}',
            "is damaged at",
        ),
    ],
)
def test_importing_an_invalid_file_fails_and_adds_nothing(store, tmp_path, text, message):
    head = f'{{"facespace gallery": 1, "space": "{SPACE}", "dimension": {DIMENSION}}}\n'
    (tmp_path / "bad.jsonl").write_text(text.replace("HEAD", head))
    if message:
        with pytest.raises(GalleryError, match=message):
            import_gallery(store, tmp_path / "bad.jsonl")
    assert len(store.people()) == 30
    with pytest.raises(GalleryError, match="must end in"):
        import_gallery(store, tmp_path / "bad.csv")
    with pytest.raises(GalleryError, match="cannot import"):
        import_gallery(store, tmp_path / "absent.jsonl")


def test_damage_is_detected_and_the_rest_is_recovered(tmp_path):
    path = tmp_path / "people.db"
    store = opened(path)
    store.add_all([(f"P{i}", new_faces(f"P{i}", 4), None) for i in range(80)])
    store.close()
    whole = bytearray(path.read_bytes())
    # Overwrite pages of faces in the middle of the file, as a bad disk would.
    middle = len(whole) // 8192 * 4096
    whole[middle : middle + 3 * 4096] = b"\xff" * (3 * 4096)
    path.write_bytes(whole)
    damaged = opened(path)
    with pytest.raises(GalleryError, match="is damaged"):
        check(damaged)
    damaged.close()
    into = opened(tmp_path / "saved.db")
    saved = salvage(path, into)
    assert saved.faces + saved.lost == 320
    assert 100 < saved.faces < 320
    names = {person.id: person.name for person in into.people()}
    true = {face.embedding.astype(np.float16).tobytes() for i in range(80) for face in new_faces(f"P{i}", 4)}
    assert {face.embedding.astype(np.float16).tobytes() for face in into.faces()} <= true
    assert all(
        face.photo.startswith(names[face.person_id] + "/")
        for face in into.faces()
        if "person" not in names[face.person_id]
    )
    check(into)
    with pytest.raises(GalleryError, match="is not empty"):
        salvage(path, into)
    into.close()


def test_a_template_that_does_not_match_its_faces_is_detected(store):
    with store.writing("test"):
        store.sql.run("UPDATE template SET faces = 9 WHERE person = 3")
    with pytest.raises(GalleryError, match="templates .* do not match its faces"):
        check(store)


def test_a_gallery_of_the_first_version_can_be_opened_and_searched(tmp_path):
    path = tmp_path / "people.db"
    with sqlite3.connect(path) as db:
        for statement in MIGRATIONS[0].split(";"):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO space VALUES (?, ?)", (SPACE, DIMENSION))
        for number, name in enumerate(("Ada", "王芳"), start=1):
            db.execute("INSERT INTO person VALUES (?, ?, '2025-01-01T00:00:00+00:00')", (number, name))
            for face in new_faces(name, 2):
                small = quantise(face.embedding[None]).tobytes()
                row = (number, face.photo, *face.box, small, face.embedding.astype(np.float16).tobytes(), SPACE, "2025")
                db.execute(
                    'INSERT INTO face (person, photo, "left", top, "right", bottom, quantised, original, model, '
                    "created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
    with Gallery(path, NamedSpace()) as gallery:
        assert [(person.name, person.faces) for person in gallery.people()] == [("Ada", 2), ("王芳", 2)]
        assert gallery.identify("王芳/8")[0].name == "王芳"
        check(gallery.store)
        columns = {name for _, name, *_ in gallery.store.sql.run("PRAGMA table_info(face)")}
        assert "original" in columns
        assert "quantised" not in columns
