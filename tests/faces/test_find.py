"""From image to faces."""

import numpy as np

from facespace.faces import CROPS, Detections, WholePhoto, find_faces


class Fixed:
    """A detector with fixed output, for cases that no real detector produces."""

    def __init__(self, boxes):
        self.boxes = np.array(boxes, np.float32).reshape(-1, 4)

    def __call__(self, images):
        scores = np.linspace(0.9, 0.5, len(self.boxes)).astype(np.float32)
        return [Detections(self.boxes, np.zeros((len(self.boxes), 5, 2), np.float32), scores) for _ in images]


def picture(height=60, width=80):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], axis=2).astype(np.uint8)


def test_a_whole_photo_is_one_face_scaled_to_size():
    (face,) = find_faces(picture(), WholePhoto(), CROPS["box"], 20, 30)
    assert face.box == (0, 0, 80, 60)
    assert face.pixels.shape == (30, 20, 3)
    assert face.landmarks is None


def test_a_box_is_cut_out_pixel_by_pixel():
    (face,) = find_faces(picture(), Fixed([[10, 20, 30, 50]]), CROPS["box"], 20, 30)
    assert (face.pixels == picture()[20:50, 10:30]).all()


def test_faces_come_in_reading_order():
    boxes = [[40, 28, 50, 38], [5, 30, 15, 40], [60, 2, 70, 12]]
    faces = find_faces(picture(), Fixed(boxes), CROPS["box"], 8, 8)
    assert [face.box[:2] for face in faces] == [(60, 2), (5, 30), (40, 28)]


def test_a_box_over_the_border_is_cut_at_the_border():
    (face,) = find_faces(picture(), Fixed([[-10, -10, 20, 20]]), CROPS["box"], 20, 20)
    assert (face.pixels == picture()[:20, :20]).all()


def test_a_photo_without_a_face_gives_an_empty_list():
    assert find_faces(picture(), Fixed([]), CROPS["box"], 8, 8) == []
