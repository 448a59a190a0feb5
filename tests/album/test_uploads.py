"""Albums of photos that exist only in memory."""

import pytest

from facespace.album import Album


@pytest.fixture
def photos(people):
    return {f"{p}-{i}.pgm": (people / f"s{p}" / f"{i}.pgm").read_bytes() for p in (1, 2) for i in (1, 2, 3)}


def test_uploads_are_grouped_like_files(space, people, photos, tmp_path):
    with Album(tmp_path / "a.db", space) as memory, Album(tmp_path / "b.db", space) as files:
        added = memory.add_uploads(photos, workers=1)
        files.add([people / f"s{name[0]}" / name[2:] for name in photos])
        assert (added.photos, added.faces, added.failures) == (6, 6, ())
        groups = [
            {frozenset(number for number in [face.number for face in cluster.faces]) for cluster in album.clusters()}
            for album in (memory, files)
        ]
        assert groups[0] == groups[1]
        assert {face.photo for cluster in memory.clusters() for face in cluster.faces} == set(photos)
        assert memory.add_uploads(photos).known == 6
        changed = {"1-1.pgm": photos["2-1.pgm"], "new.jpg": b"no photo"}
        again = memory.add_uploads(changed)
        assert (again.faces, len(again.failures), again.failures[0].photo) == (1, 1, "new.jpg")
        assert memory.thumbnails([99]) == [None]


def test_an_exception_in_the_progress_callback_stops_the_work(space, photos, tmp_path):
    class Stopped(Exception):
        pass

    def stop():
        raise Stopped

    with Album(tmp_path / "a.db", space) as album, pytest.raises(Stopped):
        album.add_uploads(photos, stop, workers=1)
