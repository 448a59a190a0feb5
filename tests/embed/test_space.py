"""A space: photos in, answers out."""

import numpy as np
import pytest
from PIL import Image

from facespace.errors import ImageError, ModelError
from facespace.metric import squared_distances


def test_a_photo_is_the_same_person_as_itself(space, people):
    answer = space.verify(people / "s1" / "1.pgm", people / "s1" / "1.pgm")
    assert answer.same
    assert answer.distance == pytest.approx(0, abs=1e-6)
    assert answer.probability > 0.9
    assert answer.far == space.far


def test_the_answer_is_the_distance_against_the_cards_threshold(space, people):
    a, b = people / "s1" / "1.pgm", people / "s2" / "1.pgm"
    points = space.embed([a, b])
    answer = space.verify(a, b, far=0.1)
    assert answer.distance == pytest.approx(squared_distances(points, points)[0, 1], abs=1e-5)
    assert answer.threshold == space.threshold(0.1)
    assert answer.same == (answer.distance <= answer.threshold)
    assert answer.probability == pytest.approx(float(space.probability(answer.distance)))


def test_every_kind_of_photo_gives_the_same_point(space, people):
    path = people / "s3" / "4.pgm"
    image = Image.open(path)
    kinds = [path, str(path), path.read_bytes(), np.asarray(image), image]
    points = space.embed(kinds)
    assert np.abs(points - points[0]).max() <= 1e-6
    with path.open("rb") as file:
        assert np.abs(space.embed(file) - points[:1]).max() <= 1e-6


def test_one_photo_or_none_is_embedded_too(space, people):
    assert space.embed(people / "s1" / "1.pgm").shape == (1, 128)
    assert space.embed([]).shape == (0, 128)


def test_a_cropped_photo_is_one_face_from_border_to_border(space, people):
    (face,) = space.faces(people / "s1" / "1.pgm")
    assert face.box == (0, 0, 92, 112)
    assert np.abs(face.embedding - space.embed(people / "s1" / "1.pgm")[0]).max() <= 1e-6


def test_a_bad_photo_is_named(space, people, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    with pytest.raises(ImageError, match=r"bad\.jpg is not an image"):
        space.verify(people / "s1" / "1.pgm", tmp_path / "bad.jpg")


def test_a_rate_beyond_the_card_is_refused(space, people):
    with pytest.raises(ModelError, match="no threshold for a false accept rate of 1e-06"):
        space.verify(people / "s1" / "1.pgm", people / "s1" / "2.pgm", far=1e-6)
