"""Sources of photos for an evaluation, and messages for missing photos."""

import os
import zipfile

import pytest

from facespace.errors import DataError, FacespaceWarning, ImageError
from facespace.evaluate.photos import FolderPhotos, InMemoryPhotos, MissingPhotoError, by_person, open_photos

NAMES = ["Ada/2.jpg", "Ada/10.jpg", "Ben/1.png"]


@pytest.fixture(params=["folder", "zip", "zip with a folder around"])
def photos(request, tmp_path):
    if request.param == "folder":
        for name in [*NAMES, "Ada/notes.txt", "Ada/.hidden.jpg"]:
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name).write_bytes(name.encode())
        return open_photos(tmp_path / "photos")
    root = "people/" if "around" in request.param else ""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in reversed(NAMES):
            archive.writestr(root + name, name)
        archive.writestr(root + "Ada/notes.txt", "")
    return open_photos(tmp_path / "photos.zip")


@pytest.mark.filterwarnings("ignore:.*ignored in:facespace.errors.FacespaceWarning")
def test_a_folder_and_a_zip_file_give_the_same_photos(photos):
    assert list(photos.names) == NAMES
    assert [photos.read(name) for name in NAMES] == [name.encode() for name in NAMES]
    assert by_person(photos) == {"Ada": NAMES[:2], "Ben": NAMES[2:]}


@pytest.mark.filterwarnings("ignore:.*ignored in:facespace.errors.FacespaceWarning")
def test_a_missing_photo_and_a_missing_person_have_different_messages(photos):
    with pytest.raises(MissingPhotoError, match=r"Ada/3\.jpg: no such photo in "):
        photos.read("Ada/3.jpg")
    with pytest.raises(MissingPhotoError, match="there is no person Cid in "):
        photos.read("Cid/1.jpg")


def test_skipped_files_are_counted_and_named(tmp_path):
    (tmp_path / "Ada").mkdir()
    for name in ("1.jpg", "notes.txt"):
        (tmp_path / "Ada" / name).touch()
    with pytest.warns(FacespaceWarning, match=r"ignored in .*: 1 \.txt files \(notes\.txt\)"):
        assert open_photos(tmp_path).names == ("Ada/1.jpg",)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("Ada/1.jpg", "")
        archive.writestr("Ada/notes.txt", "")
    with pytest.warns(FacespaceWarning, match=r"ignored in .*: 1 files that are not photos \(notes\.txt\)"):
        assert open_photos(tmp_path / "photos.zip").names == ("Ada/1.jpg",)


def test_a_photo_whose_name_is_not_utf8_is_read_by_its_text(tmp_path):
    (tmp_path / os.fsdecode(b"Zo\xeb")).mkdir()
    (tmp_path / os.fsdecode(b"Zo\xeb/1.jpg")).write_bytes(b"content")
    photos = open_photos(tmp_path)
    assert photos.names == (r"Zo\xeb/1.jpg",)
    assert photos.read(photos.names[0]) == b"content"


def test_a_misspelt_name_gets_a_suggestion():
    held = InMemoryPhotos({"Arnold_Schwarzenegger/1.jpg": b""}, "here")
    with pytest.raises(MissingPhotoError, match=r"did you mean Arnold_Schwarzenegger\?"):
        held.read("Arnold_Schwarzeneger/1.jpg")


def test_a_source_without_photos_is_a_clear_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photos under"):
        _ = open_photos(tmp_path / "empty").names
    with pytest.raises(DataError, match="does not exist; give a folder or a zip file of photos"):
        open_photos(tmp_path / "absent")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DataError, match="it is not a zip file, or it is damaged"):
        open_photos(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("a.txt", "")
    with pytest.raises(DataError, match="no photos in"):
        open_photos(tmp_path / "none.zip")
    with pytest.raises(DataError, match="one folder per person"):
        by_person(InMemoryPhotos({"1.jpg": b""}, "here"))


def test_a_damaged_member_is_an_image_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Ada/1.jpg", b"x" * 100)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[60] ^= 1
    (tmp_path / "a.zip").write_bytes(bytes(content))
    with pytest.raises(ImageError, match=r"cannot read Ada/1\.jpg"):
        open_photos(tmp_path / "a.zip").read("Ada/1.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_photo_that_may_not_be_read_is_an_image_error(tmp_path):
    (tmp_path / "1.jpg").write_text("")
    (tmp_path / "1.jpg").chmod(0)
    with pytest.raises(ImageError, match="Permission denied"):
        FolderPhotos(tmp_path).read("1.jpg")
