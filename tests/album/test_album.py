import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facespace.album import Album, write_sheet
from facespace.album.store import AlbumStore, NewFace, NewPhoto
from facespace.errors import AlbumError, DataError
from facespace.images import path_of
from facespace.metric import normalise
from facespace.space import load

PEOPLE, FACES = 5, 6


def clouds(rng, spread=0.05, people=PEOPLE, faces=FACES):
    centres = np.eye(people, 128)
    return normalise(np.repeat(centres, faces, 0) + spread / 4 * rng.normal(size=(people * faces, 128)))


def put(path, space, points, photos, first=0):
    """Store photos as an album does, without detecting faces."""
    store = AlbumStore(path, space.id, space.dimension)
    for photo in sorted(set(photos)):
        faces = [NewFace((0, 0, 9, 9), p, None) for p, own in zip(points, photos, strict=True) if own == photo]
        store.add_photos([NewPhoto(f"/photos/{first + photo}.jpg", 1, 1, None, faces)])
    store.close()


@pytest.fixture
def path(tmp_path, space, rng):
    """An album of five people with six faces each, every face in its own photo."""
    put(tmp_path / "album.db", space, clouds(rng), range(PEOPLE * FACES))
    return tmp_path / "album.db"


@pytest.fixture
def album(path, space):
    with Album(path, space, threshold=0.5) as opened:
        opened.know({})
        yield opened


def groups(album):
    return {cluster.number: {face.number for face in cluster.faces} for cluster in album.clusters()}


def home(album, face):
    return next(number for number, faces in groups(album).items() if face in faces)


def test_everybody_is_found(album):
    assert sorted(map(sorted, groups(album).values())) == [list(range(6 * p + 1, 6 * p + 7)) for p in range(5)]


def test_a_merge_survives_reclustering_and_can_be_undone(album):
    before = groups(album)
    first, second = home(album, 1), home(album, 7)
    decision = album.merge([first, second])
    merged = groups(album)
    assert merged[first] == before[first] | before[second]
    assert second not in merged
    album.recluster()
    assert groups(album) == merged
    assert album.undo().id == decision
    assert groups(album) == before
    album.recluster()
    assert groups(album) == before


def test_an_earlier_decision_can_be_undone_without_later_ones(album):
    before = groups(album)
    a, b, c, d = (home(album, face) for face in (1, 7, 13, 19))
    first = album.merge([a, b])
    album.merge([c, d])
    album.undo(first)
    now = groups(album)
    assert now[a] == before[a]
    assert now[b] == before[b]
    assert now[c] == before[c] | before[d]
    assert [decision.undone is None for decision in album.history()] == [False, True]


def test_faces_split_off_stay_apart_from_the_rest(album):
    number = home(album, 1)
    album.split([1, 2])
    assert home(album, 1) == home(album, 2) != number
    assert groups(album)[number] == {3, 4, 5, 6}
    album.recluster()
    assert home(album, 1) == home(album, 2) != home(album, 3) == number


def test_a_moved_face_stays_where_it_was_put(album):
    source, target = home(album, 1), home(album, 7)
    album.move([1], target)
    album.recluster()
    assert home(album, 1) == target
    assert 1 not in groups(album)[source]
    album.undo()
    assert home(album, 1) == source


def test_answers_merge_and_split_clusters(album):
    album.same(1, 7)
    assert home(album, 1) == home(album, 12)
    album.undo()
    number = home(album, 1)
    album.different(1, 2)
    assert home(album, 1) != home(album, 2)
    assert number in {home(album, 1), home(album, 2)}


def test_a_contradicting_decision_is_refused_with_the_chain_of_reasons(album):
    album.same(1, 7)
    album.same(7, 13)
    before = groups(album)
    with pytest.raises(AlbumError, match=r"face 1 is face 7 \(decision 1: 1 is 7\); face 7 is face 13 .*decision 2"):
        album.different(1, 13)
    assert groups(album) == before
    assert len(album.history()) == 2


def test_names_persist_and_clusters_with_one_name_are_merged(album):
    first, second = home(album, 1), home(album, 7)
    named = {c.number: c.representative.number for c in album.clusters()}
    album.name(first, "Ada")
    album.name(second, "Ada")
    names = {cluster.number: cluster.name for cluster in album.clusters()}
    assert [name for name in names.values() if name] == ["Ada"]
    assert len({home(album, 1), home(album, 7)}) == 1
    with pytest.raises(AlbumError, match="contradicts"):
        album.different(named[first], named[second])
    album.undo()
    assert home(album, 1) == first
    assert home(album, 7) == second


def test_names_from_a_gallery_name_clusters(album, rng):
    points = clouds(rng)
    album.know({"Ada": points[0:2], "王芳": points[6:7]})
    names = {cluster.number: cluster.name for cluster in album.clusters()}
    assert names[home(album, 1)] == "Ada"
    assert names[home(album, 7)] == "王芳"
    assert sum(len(faces) for faces in groups(album).values()) == 30
    album.know({"Ada": points[0:2]})
    assert {cluster.name for cluster in album.clusters()} == {"Ada", None}


def test_two_faces_of_one_photo_are_different_people_unless_decided_otherwise(tmp_path, space, rng):
    points = normalise(np.ones((4, 128)) + 0.01 * rng.normal(size=(4, 128)))
    put(tmp_path / "album.db", space, points, [0, 0, 1, 2])
    with Album(tmp_path / "album.db", space, threshold=0.5) as album:
        album.know({})
        assert home(album, 1) != home(album, 2)
        album.same(1, 2)
        assert home(album, 1) == home(album, 2)
        album.undo()
        assert home(album, 1) != home(album, 2)


def test_new_photos_join_clusters_and_numbers_stay(path, space, rng):
    with Album(path, space, threshold=0.5) as album:
        album.know({})
        before = groups(album)
        put(path, space, clouds(rng, people=6, faces=1), range(6), first=100)
        album.know({})
        after = groups(album)
        for number, faces in before.items():
            assert faces < after[number]
        (new,) = set(after) - set(before)
        assert len(after[new]) == 1


def test_another_process_sees_what_was_decided(album, path, space):
    album.merge([home(album, 1), home(album, 7)])
    with Album(path, space, threshold=0.5) as other:
        assert groups(other) == groups(album)
        other.undo()
    assert home(album, 1) != home(album, 7)


def test_the_most_typical_face_comes_first_and_a_stranger_last(tmp_path, space, rng):
    points = clouds(rng, people=2, faces=8)
    points[3] = normalise((points[3] + 0.7 * np.eye(128)[40])[None])[0]
    put(tmp_path / "album.db", space, points, range(16))
    with Album(tmp_path / "album.db", space, threshold=0.6) as album:
        album.know({})
        cluster = next(c for c in album.clusters() if 4 in {face.number for face in c.faces})
        assert cluster.faces[-1].number == 4
        assert cluster.representative.number != 4
        assert cluster.cohesion > 0.5


def test_questions_are_about_likely_merges_and_never_about_settled_pairs(tmp_path, space, rng):
    points = clouds(rng, people=3)
    points[6:12] = normalise(points[6:12] + 0.55 * points[0:6])
    put(tmp_path / "album.db", space, points, range(18))
    with Album(tmp_path / "album.db", space, threshold=0.8) as album:
        album.know({})
        question = album.questions()[0]
        assert set(question.clusters) == {home(album, 1), home(album, 7)}
        assert 0 < question.probability < 0.5
        assert question.gain == pytest.approx(question.probability * 6)
        album.different(question.a, question.b)
        assert set(question.clusters) not in [set(q.clusters) for q in album.questions()]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda album: album.merge([999, 1]), "no cluster 999"),
        (lambda album: album.same(1, 999), "no face 999"),
        (lambda album: album.split([1, 7]), "in one cluster"),
        (lambda album: album.split([1, 2, 3, 4, 5, 6]), "all faces of the cluster"),
        (lambda album: album.move(list(range(1, 7)), home(album, 1)), "has only the faces to move"),
        (lambda album: album.name(home(album, 1), "  "), "not be blank"),
        (lambda album: album.undo(), "nothing to undo"),
        (lambda album: album.undo(7), "no decision 7 is in force"),
    ],
)
def test_an_impossible_decision_is_a_clear_error(album, call, message):
    with pytest.raises(AlbumError, match=message):
        call(album)


def test_photos_are_processed_once_and_again_after_they_change(people, tmp_path, space):
    folder = shutil.copytree(people, tmp_path / "photos")
    (folder / "bad.jpg").write_text("no photo")
    seen = []
    with Album(tmp_path / "album.db", space) as album:
        added = album.add(folder, lambda: seen.append(1))
        assert (added.photos, added.faces, added.known, len(added.failures)) == (61, 60, 0, 1)
        assert "bad.jpg" in str(added.failures[0].photo)
        assert len(seen) == 61
        before = groups(album)
        again = album.add(folder)
        assert (again.faces, again.known) == (0, 61)
        assert groups(album) == before
        shutil.copy(folder / "s1" / "1.pgm", folder / "bad.jpg")
        assert album.add(folder).faces == 1
        assert album.failures() == []
        assert album.thumbnails([1])[0][:4] == b"RIFF"
        with pytest.raises(DataError):
            album.add(tmp_path / "absent")


def test_moved_photos_are_recognised_by_content_and_keep_decisions(people, tmp_path, space):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    with Album(tmp_path / "album.db", space) as album:
        album.add(folder)
        album.name(home(album, 1), "Ada")
        before = groups(album)
        (folder / "2020").mkdir()
        (folder / "1.pgm").rename(folder / "2020" / "renamed.pgm")
        # Two swap places, one is touched.
        (folder / "2.pgm").rename(folder / "x")
        (folder / "3.pgm").rename(folder / "2.pgm")
        (folder / "x").rename(folder / "3.pgm")
        os.utime(folder / "4.pgm", (1, 1))
        added = album.add(folder)
        assert (added.photos, added.faces, added.known, added.missing) == (10, 0, 10, ())
        assert {(Path(old).name, Path(new).name) for old, new in added.moved} == {
            ("1.pgm", "renamed.pgm"),
            ("2.pgm", "3.pgm"),
            ("3.pgm", "2.pgm"),
        }
        assert groups(album) == before
        assert "Ada" in {cluster.name for cluster in album.clusters()}
        assert album.add(folder).moved == ()


def test_a_copy_is_another_photo_and_a_photo_in_place_of_another_replaces_it(people, tmp_path, space):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    with Album(tmp_path / "album.db", space) as album:
        album.add(folder)
        shutil.copy(folder / "1.pgm", folder / "copy.pgm")
        assert album.add(folder).faces == 1
        (folder / "2.pgm").rename(folder / "3.pgm")
        added = album.add(folder)
        assert (added.faces, len(added.moved), added.missing) == (0, 1, ())
        assert sum(map(len, groups(album).values())) == 10


def test_missing_photos_are_reported_and_can_be_forgotten(people, tmp_path, space):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    with Album(tmp_path / "album.db", space) as album:
        album.add(folder)
        gone = str((folder / "1.pgm").resolve())
        (folder / "1.pgm").unlink()
        assert album.add(folder).missing == (gone,)
        assert album.missing() == [gone]
        page = write_sheet(album, tmp_path / "out").read_text("utf-8")
        assert (folder / "2.pgm").resolve().as_uri() in page
        assert Path(gone).as_uri() not in page
        assert all(link.exists() for link in (tmp_path / "out" / "people").rglob("*"))
        assert album.forget_missing() == 1
        assert album.missing() == []
        assert sum(map(len, groups(album).values())) == 9
        album.add_uploads({"up.pgm": (folder / "2.pgm").read_bytes()})
        assert album.missing() == []


def test_an_album_without_digests_recognises_a_moved_photo_by_size_and_time(people, tmp_path, space):
    folder = shutil.copytree(people / "s1", tmp_path / "photos")
    with Album(tmp_path / "album.db", space) as album:
        album.add(folder)
    with closing(sqlite3.connect(tmp_path / "album.db")) as file, file:
        file.execute("ALTER TABLE photo DROP COLUMN digest")
        file.execute("PRAGMA user_version = 1")
    (folder / "1.pgm").rename(folder / "other.pgm")
    with Album(tmp_path / "album.db", space) as album:
        added = album.add(folder)
        assert (added.faces, len(added.moved)) == (0, 1)


def test_an_album_supports_names_that_are_not_utf8(people, tmp_path, space):
    name = os.fsdecode(b"caf\xe9 \x1b[31m.pgm")
    (tmp_path / "photos").mkdir()
    shutil.copy(people / "s1" / "1.pgm", tmp_path / "photos" / name)
    (tmp_path / "photos" / os.fsdecode(b"bad\xff.jpg")).write_text("no photo")
    with Album(tmp_path / "album.db", space) as album:
        added = album.add(tmp_path / "photos")
        assert r"bad\xff.jpg is not an image" in added.failures[0].reason
        assert album.add(tmp_path / "photos").known == 2
        assert album.missing() == []
        ((face,),) = (cluster.faces for cluster in album.clusters())
        assert os.fsencode(path_of(face.photo)) == os.fsencode((tmp_path / "photos" / name).resolve())
        page = write_sheet(album, tmp_path / "out").read_text("utf-8")
    assert "caf%E9%20%1B%5B31m.pgm" in page
    assert "\x1b" not in page
    assert (tmp_path / "out" / "clusters.csv").read_text("utf-8").count(r"caf\xe9") == 1
    (link,) = (tmp_path / "out" / "people").rglob("*.pgm")
    assert link.resolve().name == name


def test_photos_rejected_as_truncated_are_processed_again_if_allowed(cases, tmp_path, model_path):
    with Album(tmp_path / "album.db", load(model_path)) as album:
        assert "truncated" in album.add([cases / "missing_end_marker.jpg"]).failures[0].reason
    with Album(tmp_path / "album.db", load(model_path, truncated=True)) as album:
        assert album.add([cases / "missing_end_marker.jpg"]).failures == ()


def test_an_interrupted_add_can_be_continued(people, tmp_path, space):
    class Stopped(Exception):
        pass

    done = []

    def stop():
        done.append(1)
        if len(done) == 40:
            raise Stopped

    ingest = sys.modules["facespace.album.ingest"]
    with Album(tmp_path / "album.db", space) as album:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ingest, "_TOGETHER", 10)
            with pytest.raises(Stopped):
                album.add(people, stop)
        assert album.add(people).known == 40
        assert sum(map(len, groups(album).values())) == 60


def test_a_gallery_is_not_an_album(people, tmp_path, space):
    import facespace as fs

    with fs.Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", [people / "s1" / "1.pgm"])
    with pytest.raises(AlbumError, match="not a facespace album"):
        Album(tmp_path / "people.db", space)
