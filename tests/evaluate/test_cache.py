"""The cache of embeddings."""

import stat
from types import SimpleNamespace

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate.cache import NO_FACE, CachedFace, EmbeddingCache, face_key
from facespace.evaluate.locate import ByDetector


def face(seed):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return CachedFace(draw(16), draw(4), draw(5, 2), 0.5)


def same(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in ("box", "landmarks")
    ) and (
        (a.embedding is None) == (b.embedding is None)
        and (a.embedding is None or np.array_equal(a.embedding, b.embedding))
    )


def test_another_process_finds_cached_faces(tmp_path):
    keys = [face_key(str(number).encode(), "mtcnn") for number in range(1200)]
    with EmbeddingCache("a" * 64, tmp_path) as cache:
        cache.keep(zip(keys[:1100], map(face, range(1100)), strict=True))
        cache.keep([(keys[1100], NO_FACE)])
    with EmbeddingCache("a" * 64, tmp_path) as cache:
        found = cache.find(keys)
    assert set(found) == set(keys[:1101])
    assert all(same(found[key], face(number)) for number, key in enumerate(keys[:1100]))
    assert same(found[keys[1100]], NO_FACE)


def test_another_space_preparation_or_photo_is_another_key(tmp_path):
    key = face_key(b"photo", "mtcnn")
    assert len({key, face_key(b"photo", "centre"), face_key(b"photos", "mtcnn")}) == 3
    with EmbeddingCache("a" * 64, tmp_path) as cache:
        cache.keep([(key, face(0))])
    with EmbeddingCache("b" * 64, tmp_path) as cache:
        assert not cache.find([key])


def test_entries_of_another_version_are_not_used(monkeypatch):
    before = face_key(b"photo", "mtcnn")
    monkeypatch.setattr("facespace.evaluate.cache.code_version", lambda: "another")
    assert face_key(b"photo", "mtcnn") != before


def test_a_damaged_cache_is_replaced(tmp_path):
    with EmbeddingCache("a" * 64, tmp_path) as cache:
        cache.keep([(b"key", face(0))])
        path = cache.path
    path.write_bytes(b"no database" * 500)
    with EmbeddingCache("a" * 64, tmp_path) as cache:
        assert not cache.find([b"key"])
        cache.keep([(b"key", face(0))])
        assert cache.find([b"key"])


def test_only_its_owner_may_read_it(tmp_path):
    with EmbeddingCache("a" * 64, tmp_path / "cache") as cache:
        cache.keep([(b"key", face(0))])
        assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_read_only_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="set FACESPACE_CACHE to another folder, or disable the cache with --no-cache"):
        EmbeddingCache("a" * 64, tmp_path / "file" / "cache")


def test_the_environment_variable_sets_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "here"))
    with EmbeddingCache("a" * 64) as cache:
        assert cache.path.parent == tmp_path / "here"


def test_a_replaced_detector_file_has_another_key(tmp_path):
    path = tmp_path / "detector.onnx"
    keys = []
    for content in (b"one", b"another"):
        path.write_bytes(content)
        keys.append(ByDetector(SimpleNamespace(detector=str(path)), central=False).key("photo"))
    path.with_suffix(".toml").write_text("score = 0.5")
    keys.append(ByDetector(SimpleNamespace(detector=str(path)), central=False).key("photo"))
    assert len(set(keys)) == 3
