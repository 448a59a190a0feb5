"""Embedding photos: policies, failures, and the cache."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import EmbeddingCache, Preparation, embed_photos, open_photos
from facespace.evaluate.embedding import Change
from facespace.evaluate.photos import InMemoryPhotos


@pytest.fixture
def photos(people):
    found = open_photos(people)
    return InMemoryPhotos({name: found.read(name) for name in found.names[:12]}, "here")


@pytest.fixture
def blind(monkeypatch):
    """A detector that finds no face in bright photos."""
    from facespace.faces import Detections, WholePhoto

    whole = WholePhoto.__call__

    def some(self, images):
        nothing = Detections(np.empty((0, 4), np.float32), None, np.empty(0, np.float32))
        return [
            nothing if image.mean() > 120 else found for image, found in zip(images, whole(self, images), strict=True)
        ]

    monkeypatch.setattr(WholePhoto, "__call__", some)


def test_points_are_those_of_the_space(space, photos):
    found = embed_photos(space, photos, photos.names)
    direct = space.embed([photos.read(name) for name in photos.names])
    assert np.abs(found.embeddings - direct).max() < 1e-5
    assert found.present.all()
    assert found.embedded == 12
    assert np.array_equal(found.crop(3), space.faces(photos.read(photos.names[3]), crops=True)[0].crop)


def test_a_second_run_embeds_nothing_and_gives_the_same_result(space, photos, tmp_path):
    with EmbeddingCache(space.id, tmp_path) as cache:
        first = embed_photos(space, photos, photos.names, cache=cache)
        space_without_network = embed_photos(space, photos, photos.names, cache=cache)
    assert (first.embedded, space_without_network.embedded) == (12, 0)
    for name in ("embeddings", "boxes", "landmarks", "quality"):
        assert np.array_equal(getattr(first, name), getattr(space_without_network, name), equal_nan=True)
    assert first.how == space_without_network.how


def test_an_interrupted_run_continues(space, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.evaluate.embedding.CHUNK", 4)

    def stop(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with EmbeddingCache(space.id, tmp_path) as cache:
        with pytest.raises(KeyboardInterrupt):
            embed_photos(space, photos, photos.names, cache=cache, on_progress=stop)
        assert embed_photos(space, photos, photos.names, cache=cache).embedded == 4


def test_a_changed_photo_is_embedded_again(space, photos, tmp_path):
    name = photos.names[0]
    with EmbeddingCache(space.id, tmp_path) as cache:
        embed_photos(space, photos, [name], cache=cache)
        changed = InMemoryPhotos({name: photos.read(photos.names[5])}, "here")
        again = embed_photos(space, changed, [name], cache=cache)
    assert again.embedded == 1


def test_a_change_is_seen_by_the_network_and_by_the_cache(space, photos, tmp_path):
    upside_down = Preparation(change=Change("upside down", lambda face: face[::-1].copy()))
    with EmbeddingCache(space.id, tmp_path) as cache:
        plain = embed_photos(space, photos, photos.names, cache=cache)
        turned = embed_photos(space, photos, photos.names, upside_down, cache=cache)
    assert turned.embedded == 12
    assert np.abs(plain.embeddings - turned.embeddings).max() > 0.01


def test_failures_are_counted_by_kind(space, photos):
    names = [photos.names[0], "s1/99.pgm", "Nobody/1.jpg", "s1/bad.jpg"]
    held = InMemoryPhotos({photos.names[0]: photos.read(photos.names[0]), "s1/bad.jpg": b"no photo"}, "here")
    found = embed_photos(space, held, names)
    assert found.how == ("found", "missing", "missing", "unreadable")
    assert [failure.name for failure in found.failures] == names[1:]
    assert "there is no person Nobody" in found.failures[1].message
    assert found.failures[2].message.startswith("s1/bad.jpg is not an image")
    assert not found.embeddings[1:].any()
    with pytest.raises(DataError, match="no photo of here can be used"):
        embed_photos(space, held, names[1:])


def test_the_policy_decides_about_photos_without_a_face(space, photos, blind, tmp_path):
    with EmbeddingCache(space.id, tmp_path) as cache:
        centred = embed_photos(space, photos, photos.names, Preparation("centre-crop"), cache)
        failed = embed_photos(space, photos, photos.names, Preparation("failure"), cache)
    assert 0 < centred.how.count("centre-crop") < 12
    assert centred.present.all()
    assert [how == "no face" for how in failed.how] == [how == "centre-crop" for how in centred.how]
    assert len(failed.failures) == centred.how.count("centre-crop")
    assert "no face found" in failed.failures[0].message
    index = centred.how.index("centre-crop")
    box = centred.boxes[index]
    assert (box[2] - box[0], box[3] - box[1]) == (46, 46), "half of 92, the shorter side"


def test_landmarks_from_a_file_replace_the_detector(lfw, shared_data, space):
    from facespace.evaluate import read_landmarks

    given = read_landmarks(shared_data / "lfw_landmarks.csv")
    photos = open_photos(lfw)
    names = photos.names[:3]
    unknown = {name: face for name, face in given.items() if name != names[2]}
    found = embed_photos(space, photos, names, Preparation("failure", landmarks=unknown))
    assert found.how == ("found", "found", "no face")
    assert np.array_equal(found.landmarks[0], given[names[0]].landmarks)
    assert 0 <= found.quality[0] <= 1
