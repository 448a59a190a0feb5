"""Labels from drawn boxes and two networks that see landmarks."""

import numpy as np
import PIL.Image
import pytest

from facespace.errors import DataError
from facespace.faces import Detections, Mtcnn
from facespace.faces.detector_file import shipped_detector
from facespace.train.detector.labels import Seen, corrected, fit_correction, label, look, main, read_boxes
from facespace.train.detector.photos import read_labels

SHARES = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)


def seen_faces(rng, count, shift):
    """Faces whose exact landmarks lie off the teacher's by a share of the box."""
    corners, sides = rng.uniform(0, 500, (count, 2)), rng.uniform(20, 200, (count, 1))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    noise = rng.normal(0, 0.01, (count, 5, 2))
    taught = corners[:, None] + (SHARES + noise) * sides[:, None]
    exact = taught + np.array(shift) * sides[:, None]
    ones = np.ones(count, np.float32)
    none = np.zeros((0, 4), np.float32)
    return Seen(boxes, exact.astype(np.float32), ones, taught.astype(np.float32), ones, boxes, none)


def test_a_systematic_offset_of_the_teacher_is_learnt_and_taken_away(rng):
    seen = seen_faces(rng, 400, (0.02, -0.03))
    correction = fit_correction([seen])
    other = seen_faces(rng, 50, (0.02, -0.03))
    after = corrected(other.taught, other.taught_boxes, correction) - other.exact
    before = other.taught - other.exact
    assert np.abs(after).mean() < 0.1 * np.abs(before).mean()


def test_the_teacher_is_taken_at_its_word_where_too_few_faces_tell(rng):
    seen = seen_faces(rng, 5, (0.1, 0.1))
    assert corrected(seen.taught, seen.boxes, fit_correction([seen])) == pytest.approx(seen.taught, abs=1e-3)


def test_landmarks_are_trusted_by_who_sees_them(rng):
    seen = seen_faces(rng, 4, (0, 0))
    exact_scores, taught_scores = np.array([1, 1, 0.1, 0.1]), np.array([1, 0, 1, 0])
    seen = seen._replace(exact_scores=exact_scores, taught_scores=taught_scores,
                         others=np.array([[600, 600, 640, 640]], np.float32))  # fmt: skip
    labels = label(seen, np.concatenate([np.eye(10), np.zeros((2, 10))]))
    assert labels.trust == pytest.approx([1, 0.5, 0.7, 0, 0])
    assert labels.ignored.tolist() == [False] * 4 + [True]
    assert labels.landmarks[:2] == pytest.approx(seen.exact[:2])


def test_both_networks_look_at_the_boxes_of_a_photo(portraits, lay_out_faces):
    image, _middles = lay_out_faces(portraits[:3])
    mtcnn = Mtcnn()
    (found,) = mtcnn([image])
    boxes = np.concatenate([found.boxes[:2], [[0, 0, 9, 9]]]).astype(np.float32)

    class Teacher:
        def __call__(self, images):
            return [Detections(found.boxes, found.landmarks, found.scores)]

    seen = look(image, boxes, Teacher(), mtcnn)
    # The third network alone, on a known box, gives nearly what the cascade gives, whose own box is another.
    assert seen.exact[:2] == pytest.approx(found.landmarks[:2] + 0.5, abs=2.5)
    assert (seen.exact_scores[:2] > 0.9).all()
    assert seen.exact_scores[2] == seen.taught_scores[2] == 0
    assert seen.others == pytest.approx(found.boxes[2:])


def test_boxes_are_read_as_wider_face_writes_them(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("a/1.jpg\n2\n1 2 3 4\n5 6 7 8 0 0 0\na/2.jpg\n0\n0 0 0 0\na/3.jpg\n1\n9 9 1 1\n")
    boxes = read_boxes(path)
    assert boxes["a/1.jpg"].tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert boxes["a/2.jpg"].shape == (0, 4)
    assert boxes["a/3.jpg"].tolist() == [[9, 9, 10, 10]]
    path.write_text("a/1.jpg\n2\n1 2 3 4\nb/2.jpg\n")
    with pytest.raises(DataError, match="no photo .* begins in line 1"):
        read_boxes(path)
    with pytest.raises(DataError, match="cannot read the boxes"):
        read_boxes(tmp_path / "absent.txt")


def test_a_labels_file_is_made_of_a_folder_and_its_boxes(tmp_path, portraits, lay_out_faces, capsys):
    image, _middles = lay_out_faces(portraits[:3])
    PIL.Image.fromarray(image).save(tmp_path / "three.png")
    (found,) = Mtcnn()([image])
    lines = [" ".join(f"{value:.0f}" for value in (*box[:2], *(box[2:] - box[:2]))) for box in found.boxes]
    boxes, out = tmp_path / "boxes.txt", tmp_path / "labels.npz"
    boxes.write_text("\n".join(["three.png", str(len(lines)), *lines, "absent.png", "0"]))
    words = [str(tmp_path), str(boxes), str(out), "--teacher", str(shipped_detector())]
    assert main(words) == 0
    output = capsys.readouterr()
    assert "absent.png" in output.err
    labels = read_labels(out)["three.png"]
    assert (labels.trust > 0).all()
    assert labels.landmarks == pytest.approx(found.landmarks + 0.5, abs=6)
    assert main([*words[:1], str(tmp_path / "absent.txt"), *words[2:]]) == 1
