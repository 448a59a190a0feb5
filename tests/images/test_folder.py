"""Photos in folders."""

import pytest

from facespace.errors import DataError
from facespace.images import people_in, photos_in, walk_photos


def made(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_photos_come_in_the_order_a_person_counts(tmp_path):
    made(tmp_path, "img10.jpg", "img2.JPG", "b/img1.png", "a/img3.webp")
    found = [str(path.relative_to(tmp_path)) for path in photos_in(tmp_path)]
    assert found == ["a/img3.webp", "b/img1.png", "img2.JPG", "img10.jpg"]


def test_hidden_files_and_what_is_no_photo_are_skipped(tmp_path):
    made(tmp_path, "a.jpg", ".b.jpg", ".thumbs/c.jpg", "notes.txt")
    assert [path.name for path in photos_in(tmp_path)] == ["a.jpg"]


def test_people_are_sub_folders_with_photos(tmp_path):
    made(tmp_path, "s2/1.pgm", "s10/1.pgm", "s10/2.pgm", "empty/notes.txt", "stray.jpg")
    people = people_in(tmp_path)
    assert list(people) == ["s2", "s10"]
    assert [path.name for path in people["s10"]] == ["1.pgm", "2.pgm"]


def test_a_missing_or_empty_folder_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        photos_in(tmp_path / "absent")
    with pytest.raises(DataError, match="no photos under"):
        photos_in(tmp_path)
    with pytest.raises(DataError, match="one folder of photos a person"):
        people_in(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file, not a folder"):
        people_in(tmp_path / "file")


def test_a_walk_follows_links_to_folders_but_never_in_circles(tmp_path):
    made(tmp_path, "a/1.jpg", "a/2.jpg")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "other").symlink_to(tmp_path / "a")
    found = [str(path.relative_to(tmp_path)) for path in walk_photos(tmp_path)]
    assert found == ["a/1.jpg", "a/2.jpg", "other/1.jpg", "other/2.jpg"]


def test_a_walk_is_lazy(tmp_path):
    made(tmp_path, "a/1.jpg", "b/1.jpg")
    walk = walk_photos(tmp_path)
    assert next(walk).parent.name == "a"
    (tmp_path / "b" / "1.jpg").unlink()
    assert list(walk) == []
