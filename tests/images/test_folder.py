"""Photos in folders, and what is passed over."""

import errno
import os

import pytest

from facespace.errors import DataError, FacespaceWarning
from facespace.images import mark_as_output, people_in, photos_in, summary_of, text_of, walk_photos


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
    with pytest.warns(FacespaceWarning, match=r"2 hidden entries \(\.b\.jpg, \.thumbs\); 1 files ending in \.txt"):
        assert [path.name for path in photos_in(tmp_path)] == ["a.jpg"]


def test_people_are_sub_folders_with_photos(tmp_path):
    made(tmp_path, "s2/1.pgm", "s10/1.pgm", "s10/2.pgm", "empty/notes.txt", "stray.jpg")
    passed = []
    people = people_in(tmp_path, passed.append)
    assert list(people) == ["s2", "s10"]
    assert [path.name for path in people["s10"]] == ["1.pgm", "2.pgm"]
    assert {entry.path.name: entry.reason for entry in passed} == {
        "notes.txt": "files ending in .txt",
        "stray.jpg": "photos that lie in no person's folder",
        "empty": "folders without a photo",
    }


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


def walked(root):
    passed = []
    found = [str(path.relative_to(root)) for path in walk_photos(root, passed.append)]
    return found, {str(entry.path.relative_to(root)): entry.reason for entry in passed}


def test_every_photo_is_taken_once_whatever_links_to_it(tmp_path):
    root = made(tmp_path / "photos", "m/1.jpg", "m/2.jpg")
    made(tmp_path, "elsewhere/deep/3.jpg", "single.jpg")
    (root / "m" / "back").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "a_link").symlink_to(root / "m")
    (root / "a_photo.jpg").symlink_to(root / "m" / "1.jpg")
    for name in ("once", "twice"):
        (root / name).symlink_to(tmp_path / "elsewhere" / "deep")
        (root / f"{name}.jpg").symlink_to(tmp_path / "single.jpg")
    found, passed = walked(root)
    assert found == ["m/1.jpg", "m/2.jpg", "once/3.jpg", "once.jpg"]
    assert passed == {
        "a_link": "links to folders that are searched anyway",
        "a_photo.jpg": "links to photos that are taken anyway",
        "m/back": "links to folders that are searched anyway",
        "twice": "links to folders that are searched anyway",
        "twice.jpg": "links to photos that are taken anyway",
        "up/elsewhere/deep": "links to folders that are searched anyway",
        "up/photos": "links to folders that are searched anyway",
        "up/single.jpg": "links to photos that are taken anyway",
    }


def test_an_entry_that_cannot_be_used_costs_only_itself(tmp_path, monkeypatch):
    made(tmp_path, "a/1.jpg", "locked/2.jpg", "z.jpg", "raw.cr2", "noending")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "absent.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    scandir = os.scandir

    def refusing(folder):
        # The tests may run as root, who may read everything.
        if str(folder).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found, passed = walked(tmp_path)
    assert found == ["a/1.jpg", "z.jpg"]
    assert passed == {
        "gone.jpg": "links that lead nowhere",
        "locked": "folders that cannot be read: Permission denied",
        "loop.jpg": "links that lead nowhere",
        "noending": "files without an ending",
        "pipe.jpg": "entries that are no files",
        "raw.cr2": "files ending in .cr2",
    }
    with pytest.raises(DataError, match="may not be read"):
        list(walk_photos(tmp_path / "locked"))
    made(tmp_path, "raws/1.cr2")
    with pytest.raises(DataError, match=r"no photos under .*passed over 1 files ending in \.cr2"):
        photos_in(tmp_path / "raws")


def test_a_folder_that_this_package_wrote_is_passed_over_unless_it_is_named(tmp_path):
    made(tmp_path, "1.jpg", "out/faces/1.webp")
    mark_as_output(tmp_path / "out" / "faces")
    assert walked(tmp_path) == (["1.jpg"], {"out/faces": "folders that facespace wrote"})
    assert walked(tmp_path / "out" / "faces") == (["1.webp"], {})


def test_what_is_passed_over_is_counted_and_named(tmp_path):
    made(tmp_path, *(f"{number}.raw" for number in range(5)), "notes.txt")
    passed = []
    assert list(walk_photos(tmp_path, passed.append)) == []
    assert summary_of(passed) == "5 files ending in .raw (0.raw, 1.raw, 2.raw, ...); 1 files ending in .txt (notes.txt)"


def test_a_name_that_is_not_utf8_is_found(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    (found,) = walk_photos(tmp_path)
    assert text_of(found.name) == r"caf\xe9.jpg"


def test_a_walk_is_lazy(tmp_path):
    made(tmp_path, "a/1.jpg", "b/1.jpg")
    walk = walk_photos(tmp_path)
    assert next(walk).parent.name == "a"
    (tmp_path / "b" / "1.jpg").unlink()
    assert list(walk) == []
