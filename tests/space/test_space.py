"""A space: photos in, embeddings and verdicts out."""

import numpy as np
import pytest
from PIL import Image

from facespace.errors import ImageError, ModelError, NoFaceError
from facespace.images import Limits
from facespace.metric import squared_distances
from facespace.model import read_model, write_model
from facespace.space import load, photo_faces


def test_a_photo_is_the_same_person_as_itself(space, people):
    answer = space.verify(people / "s1" / "1.pgm", people / "s1" / "1.pgm")
    assert answer.same
    assert answer.distance == pytest.approx(0, abs=1e-6)
    assert answer.probability > 0.9
    assert answer.far == space.far


def test_the_verdict_compares_the_distance_with_the_cards_threshold(space, people):
    a, b = people / "s1" / "1.pgm", people / "s2" / "1.pgm"
    points = space.embed([a, b])
    answer = space.verify(a, b, far=0.1)
    assert answer.distance == pytest.approx(squared_distances(points, points)[0, 1], abs=1e-5)
    assert answer.threshold == space.threshold(0.1)
    assert answer.same == (answer.distance <= answer.threshold)
    assert answer.probability == pytest.approx(float(space.probability(answer.distance)))


def test_every_kind_of_photo_gives_the_same_embedding(space, people):
    path = people / "s3" / "4.pgm"
    image = Image.open(path)
    kinds = [path, str(path), path.read_bytes(), np.asarray(image), image]
    points = space.embed(kinds)
    assert np.abs(points - points[0]).max() <= 1e-6
    with path.open("rb") as file:
        assert np.abs(space.embed(file) - points[:1]).max() <= 1e-6


def test_one_photo_or_none_can_be_embedded(space, people):
    assert space.embed(people / "s1" / "1.pgm").shape == (1, 128)
    assert space.embed([]).shape == (0, 128)


def test_with_the_whole_photo_detector_a_photo_is_one_face(space, people):
    (face,) = space.faces(people / "s1" / "1.pgm")
    assert face.box == (0, 0, 92, 112)
    assert np.abs(face.embedding - space.embed(people / "s1" / "1.pgm")[0]).max() <= 1e-6


def test_a_bad_photo_is_named(space, people, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    with pytest.raises(ImageError, match=r"bad\.jpg is not an image"):
        space.verify(people / "s1" / "1.pgm", tmp_path / "bad.jpg")


def test_a_rate_that_the_card_lacks_is_refused(space, people):
    with pytest.raises(ModelError, match="no threshold for a false accept rate of 1e-06"):
        space.verify(people / "s1" / "1.pgm", people / "s1" / "2.pgm", far=1e-6)


def space_with(model_path, tmp_path, **changes):
    read = read_model(model_path)
    path = tmp_path / "other.onnx"
    write_model(path, read.onnx, read.card.model_copy(update=changes))
    return path


def test_faces_of_a_photo_are_found_aligned_and_embedded(model_path, people, tmp_path):
    space = load(space_with(model_path, tmp_path, detector="mtcnn", crop="arcface-112"))
    canvas = Image.new("RGB", (300, 200), (128, 128, 128))
    for left, person in ((20, "s1"), (160, "s2")):
        canvas.paste(Image.open(people / person / "1.pgm"), (left, 30))
    first, second = space.faces(canvas)
    assert first.landmarks.shape == (5, 2)
    assert first.box[0] < second.box[0]
    assert np.linalg.norm(second.embedding) == pytest.approx(1, abs=1e-5)
    (alone,) = space.faces(canvas.crop((0, 0, 150, 200)))
    points = np.stack([alone.embedding, first.embedding, second.embedding])
    distances = squared_distances(points, points)
    assert distances[0, 1] < 0.05 < distances[1, 2]


def test_a_photo_without_a_face_is_named(model_path, tmp_path):
    space = load(space_with(model_path, tmp_path, detector="mtcnn", crop="arcface-112"))
    Image.new("RGB", (300, 200), (90, 140, 90)).save(tmp_path / "meadow.png")
    assert space.faces(tmp_path / "meadow.png") == []
    with pytest.raises(NoFaceError, match=r"no face found in .*meadow\.png"):
        space.embed(tmp_path / "meadow.png")


def test_the_aligned_detector_keeps_the_space_id(model_path, people, tmp_path):
    path = space_with(model_path, tmp_path, detector="mtcnn", crop="arcface-112")
    aligned = load(path, detector="aligned-128")
    assert aligned.id == load(path).id
    (face,) = aligned.faces(Image.open(people / "s1" / "1.pgm").resize((128, 128)))
    assert face.box == pytest.approx((8, 8, 120, 120), abs=1e-3)


def test_an_unknown_or_incompatible_detector_or_crop_is_refused(model_path, tmp_path):
    with pytest.raises(ModelError, match="detector 'mtcn', which this version does not have; did you mean 'mtcnn'"):
        load(space_with(model_path, tmp_path, detector="mtcn"))
    with pytest.raises(ModelError, match="crop 'arcface', which this version does not have"):
        load(space_with(model_path, tmp_path, crop="arcface"))
    with pytest.raises(ModelError, match="needs landmarks, but the detector 'whole-photo' finds none"):
        load(space_with(model_path, tmp_path, crop="arcface-112"))
    with pytest.raises(ModelError, match="you asked for the detector 'eyes'"):
        load(model_path, detector="eyes")


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_matches_embedding_each_photo_in_order(space, people, workers):
    photos = sorted(people.rglob("*.pgm"))[:30]
    photos.insert(11, b"no photo")
    streamed = list(space.stream(iter(photos), workers))
    assert [found.photo for found in streamed] == photos
    assert [at for at, found in enumerate(streamed) if found.failure] == [11]
    for photo, found in zip(photos, streamed, strict=True):
        if found.failure is None:
            (alone,), (face,) = space.faces(photo), found.faces
            assert face.box == alone.box
            assert np.abs(face.embedding - alone.embedding).max() <= 1e-5


@pytest.fixture(scope="module")
def finding(model_path, tmp_path_factory):
    """The space of the small model with a detector of several faces."""
    return load(space_with(model_path, tmp_path_factory.mktemp("finding"), detector="mtcnn", crop="arcface-112"))


@pytest.fixture(scope="module")
def two_faces(people):
    """A photo with two people, the second the larger."""
    canvas = Image.new("RGB", (330, 220), (128, 128, 128))
    canvas.paste(Image.open(people / "s1" / "1.pgm"), (20, 40))
    canvas.paste(Image.open(people / "s2" / "1.pgm").resize((120, 146)), (180, 30))
    return canvas


def test_other_faces_are_counted_and_any_can_be_compared(finding, two_faces, people):
    alone = two_faces.crop((0, 0, 160, 220))
    largest = finding.verify(two_faces, alone)
    assert (largest.a.faces, largest.a.face, largest.b.faces, largest.b.face) == (2, 2, 1, 1)
    assert "a shows 2 faces; face 2, the largest, was compared" in largest.notes[0]
    assert len(largest.notes) == 1
    chosen = finding.verify(two_faces, alone, face_a=1)
    assert chosen.a.face == 1
    assert chosen.a.box[0] < largest.a.box[0]
    assert chosen.distance < 0.05 < largest.distance
    with pytest.raises(NoFaceError, match="a shows 2 faces, so there is no face 3"):
        finding.verify(two_faces, alone, face_a=3)


def test_the_shared_photo_of_two_people_says_which_face_it_compared(cases):
    case = cases / "two_people.jpg"
    answer = load(provider="cpu").verify(case, case, face_a=1)
    assert (answer.a.faces, answer.a.face, answer.b.face) == (2, 1, 2)
    assert answer.verdict != "same"
    assert [("as asked" in note, "largest" in note) for note in answer.notes] == [(True, False), (False, True)]


def test_a_comparison_has_three_outcomes_by_the_cards_distances(space):
    decision = space.decision(0.1)
    assert decision.reject is not None
    for distance in np.linspace(0, 3.9, 40):
        angle = np.arccos(1 - distance / 2)
        a, b = np.zeros((2, space.dimension), np.float32)
        a[0], b[0], b[1] = 1, np.cos(angle), np.sin(angle)
        answer = space.compare(a, b, 0.1)
        assert answer.same == (answer.distance <= answer.threshold)
        assert answer.verdict == decision.outcome(answer.distance)
        assert f"{answer.distance:.3f}" in answer.explanation
        assert answer.frr == decision.frr


def test_crops_are_what_the_network_sees_and_are_given_where_asked_for(space, people):
    photos = [people / "s1" / "1.pgm", people / "s2" / "2.pgm"]
    assert all(face.crop is None for face in space.faces(photos[0]))
    for faces in (space.faces(photos[0], crops=True), next(space.stream(photos, crops=True)).faces):
        (face,) = faces
        assert np.abs(space.engine.embed(face.crop[None])[0] - face.embedding).max() <= 1e-6


def test_a_few_photos_together_are_as_one_by_one_and_one_that_cannot_be_used_says_why(space, people):
    first, bad, last = photo_faces(space, [people / "s1" / "1.pgm", b"no photo", people / "s2" / "2.pgm"])
    assert (bad.faces, bad.width, bad.height) == ((), 0, 0)
    assert "is not an image" in bad.failure
    for photo, found in ((people / "s1" / "1.pgm", first), (people / "s2" / "2.pgm", last)):
        (face,) = space.faces(photo)
        assert found.failure is None
        assert np.abs(found.faces[0].embedding - face.embedding).max() <= 1e-6


def test_the_limits_of_photos_can_be_set(model_path, people):
    space = load(model_path, limits=Limits(pixels=1000))
    with pytest.raises(ImageError, match="more than the 1,000 allowed"):
        space.faces(people / "s1" / "1.pgm")
    assert load(model_path).faces(people / "s1" / "1.pgm")
