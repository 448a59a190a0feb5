"""An encrypted gallery: unreadable without its key, and any changed byte is detected."""

import sqlite3

import pytest
from points import DIMENSION, SPACE, NamedSpace, new_faces

pytest.importorskip("cryptography", reason="the extra encryption is not installed")

from facespace.errors import GalleryError
from facespace.gallery import Gallery, Secret, check, new_key, open_store, read_key, write_key

KEY = bytes(range(32))


def opened(path, key=KEY):
    return open_store(path, SPACE, DIMENSION, Secret(key) if key else None)


def test_no_file_contains_names_photos_attributes_or_embeddings(tmp_path):
    faces = new_faces("Zanzibar", 3)
    with Gallery(tmp_path / "people.db", NamedSpace(), Secret(KEY)) as gallery:
        gallery.store.add("Zanzibar", faces, {"street": "Lindenallee"})
        gallery.store.add("Ben", new_faces("Ben"))
        gallery.merge("Zanzibar", "Ben")
        gallery.undo_merge("Ben")
        gallery.index.build("exact")
        assert gallery.identify("Zanzibar/9")[0].name == "Zanzibar"
        assert gallery.people()[1].attributes == {"street": "Lindenallee"}
        check(gallery.store)
        content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        for word in (b"Zanzibar", b"Lindenallee", faces[0].embedding.astype("float16").tobytes()):
            assert word not in content
    plain = open_store(tmp_path / "plain.db", SPACE, DIMENSION)
    plain.add("Zanzibar", faces)
    plain.close()
    assert b"Zanzibar" in (tmp_path / "plain.db").read_bytes()


def test_wrong_missing_and_unneeded_keys_are_refused(tmp_path):
    store = opened(tmp_path / "people.db")
    store.add("Ada", new_faces("Ada"))
    store.close()
    with pytest.raises(GalleryError, match="encrypted with another key"):
        opened(tmp_path / "people.db", bytes(32))
    with pytest.raises(GalleryError, match="is encrypted; give its key"):
        opened(tmp_path / "people.db", None)
    opened(tmp_path / "plain.db", None).close()
    with pytest.raises(GalleryError, match="is not encrypted, but a key was given"):
        opened(tmp_path / "plain.db")
    store = opened(tmp_path / "people.db")
    assert [person.name for person in store.people()] == ["Ada"]
    store.close()


@pytest.mark.parametrize(
    ("table", "column"), [("face", "original"), ("template", "code"), ("person", "name"), ("face", "photo")]
)
def test_a_changed_byte_is_detected(tmp_path, table, column):
    path = tmp_path / "people.db"
    store = opened(path)
    store.add("Ada", new_faces("Ada", 2))
    store.close()
    with sqlite3.connect(path) as db:
        (value,) = db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
        changed = ("0" if value[20] != "0" else "1") if isinstance(value, str) else bytes([value[20] ^ 1])
        db.execute(f"UPDATE {table} SET {column} = ?", (value[:20] + changed + value[21:],))
    store = opened(path)
    with pytest.raises(GalleryError, match="cannot be decrypted: the key is wrong, or the gallery was changed"):
        check(store)
    store.close()


def test_a_value_cannot_be_decrypted_as_another_column():
    secret = Secret(KEY)
    assert secret.open(secret.seal(b"x", "face.photo"), "face.photo") == b"x"
    assert secret.seal(b"x", "face.photo") != secret.seal(b"x", "face.photo")
    for sealed, column in ((secret.seal(b"x", "face.photo"), "person.name"), (b"", "face.photo")):
        with pytest.raises(GalleryError, match="cannot be decrypted"):
            secret.open(sealed, column)


def test_a_key_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("FACESPACE_GALLERY_KEY", raising=False)
    assert read_key() is None
    write_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    mark = read_key(tmp_path / "key").mark(b"x")
    monkeypatch.setenv("FACESPACE_GALLERY_KEY", (tmp_path / "key").read_text())
    assert read_key().mark(b"x") == mark != Secret(KEY).mark(b"x")
    with pytest.raises(GalleryError, match="name a new file"):
        write_key(tmp_path / "key")
    for text, message in (("not base64!", "not a key in base64"), (new_key()[:20], "32 bytes")):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(GalleryError, match=message):
            read_key(tmp_path / "bad")
    with pytest.raises(GalleryError, match="cannot read the key"):
        read_key(tmp_path / "absent")
