"""Photos in folders, and ignored entries."""

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


def test_photos_come_in_natural_order(tmp_path):
    made(tmp_path, "img10.jpg", "img2.JPG", "b/img1.png", "a/img3.webp")
    found = [str(path.relative_to(tmp_path)) for path in photos_in(tmp_path)]
    assert found == ["a/img3.webp", "b/img1.png", "img2.JPG", "img10.jpg"]


def test_hidden_files_and_other_files_are_ignored(tmp_path):
    made(tmp_path, "a.jpg", ".b.jpg", ".thumbs/c.jpg", "notes.txt")
    with pytest.warns(FacespaceWarning, match=r"2 hidden entries \(\.b\.jpg, \.thumbs\); 1 \.txt files"):
        assert [path.name for path in photos_in(tmp_path)] == ["a.jpg"]


def test_people_are_subfolders_with_photos(tmp_path):
    made(tmp_path, "s2/1.pgm", "s10/1.pgm", "s10/2.pgm", "empty/notes.txt", "stray.jpg")
    passed = []
    people = people_in(tmp_path, passed.append)
    assert list(people) == ["s2", "s10"]
    assert [path.name for path in people["s10"]] == ["1.pgm", "2.pgm"]
    assert {entry.path.name: entry.reason for entry in passed} == {
        "notes.txt": ".txt files",
        "stray.jpg": "photos outside the people's folders",
        "empty": "folders without photos",
    }


def test_a_missing_or_empty_folder_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        photos_in(tmp_path / "absent")
    with pytest.raises(DataError, match="no photos under"):
        photos_in(tmp_path)
    with pytest.raises(DataError, match="one folder of photos per person"):
        people_in(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file, not a folder"):
        people_in(tmp_path / "file")


def walked(root):
    passed = []
    found = [str(path.relative_to(root)) for path in walk_photos(root, passed.append)]
    return found, {str(entry.path.relative_to(root)): entry.reason for entry in passed}


def test_every_photo_is_listed_once_whatever_links_to_it(tmp_path):
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
        "a_link": "links to folders that are searched already",
        "a_photo.jpg": "links to photos that are included already",
        "m/back": "links to folders that are searched already",
        "twice": "links to folders that are searched already",
        "twice.jpg": "links to photos that are included already",
        "up/elsewhere/deep": "links to folders that are searched already",
        "up/photos": "links to folders that are searched already",
        "up/single.jpg": "links to photos that are included already",
    }


def test_an_unusable_entry_does_not_affect_others(tmp_path, monkeypatch):
    made(tmp_path, "a/1.jpg", "locked/2.jpg", "z.jpg", "raw.cr2", "noending")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "absent.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    scandir = os.scandir

    def refusing(folder):
        # The tests may run as root, who can read everything.
        if str(folder).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found, passed = walked(tmp_path)
    assert found == ["a/1.jpg", "z.jpg"]
    assert passed == {
        "gone.jpg": "broken links",
        "locked": "folders that cannot be read: Permission denied",
        "loop.jpg": "broken links",
        "noending": "files without a suffix",
        "pipe.jpg": "entries that are not files",
        "raw.cr2": ".cr2 files",
    }
    with pytest.raises(DataError, match="cannot be read"):
        list(walk_photos(tmp_path / "locked"))
    made(tmp_path, "raws/1.cr2")
    with pytest.raises(DataError, match=r"no photos under .*ignored 1 \.cr2 files"):
        photos_in(tmp_path / "raws")


def test_a_folder_written_by_facespace_is_ignored_unless_it_is_given(tmp_path):
    made(tmp_path, "1.jpg", "out/faces/1.webp")
    mark_as_output(tmp_path / "out" / "faces")
    assert walked(tmp_path) == (["1.jpg"], {"out/faces": "folders that facespace wrote"})
    assert walked(tmp_path / "out" / "faces") == (["1.webp"], {})


def test_ignored_entries_are_counted_and_named(tmp_path):
    made(tmp_path, *(f"{number}.raw" for number in range(5)), "notes.txt")
    passed = []
    assert list(walk_photos(tmp_path, passed.append)) == []
    assert summary_of(passed) == "5 .raw files (0.raw, 1.raw, 2.raw, ...); 1 .txt files (notes.txt)"


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
