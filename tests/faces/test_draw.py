"""Drawing detected faces."""

import numpy as np

from facespace.faces import FaceCrop, draw_faces
from facespace.faces.quality import Quality


def a_face(box, value):
    quality = None if value is None else Quality(value, 40, 0.1, 0.5, 0.2, 0, 0, 0, 0.1)
    landmarks = np.array([[30, 40], [60, 40], [45, 55], [35, 70], [55, 70]], np.float32)
    return FaceCrop(box, landmarks, 0.9, quality, np.zeros((1, 1, 3), np.uint8))


def test_boxes_are_coloured_by_quality_and_the_original_is_unchanged():
    photo = np.full((120, 100, 3), 50, np.uint8)
    colours = []
    for value in (0.1, 0.5, 0.9, None):
        drawn = draw_faces(photo, [a_face((20.0, 30.0, 70.0, 90.0), value)])
        assert drawn.shape == photo.shape
        colours.append(tuple(drawn[60, 20]))
    assert (photo == 50).all()
    assert len(set(colours)) == 4
    (red, amber, green, blue) = colours
    assert red[0] > red[1]
    assert green[1] > green[0]
    assert amber[0] > amber[2]
    assert blue[2] > blue[0]


def test_faces_across_the_border_are_clipped():
    photo = np.zeros((50, 50, 3), np.uint8)
    drawn = draw_faces(photo, [a_face((-30.0, -30.0, 80.0, 80.0), 0.4), a_face((0.0, 0.0, 50.0, 50.0), None)])
    assert drawn.any()
    assert (draw_faces(photo, []) == photo).all()
