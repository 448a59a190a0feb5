"""Average precision of detectors, against a slow reading of WIDER FACE's rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.evaluate.metrics.detection import average_precision, compare_boxes


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_average_precision(photos):
    """At each score the boxes above it are counted anew, photo by photo."""
    every = sorted({score for _, scores, _, _ in photos for score in scores}, reverse=True)
    faces = sum(sum(not gone for gone in ignored) for *_, ignored in photos)
    points = []
    for least in every:
        hits, counted = 0, 0
        for boxes, scores, truth, ignored in photos:
            taken = set()
            for score, box in sorted(zip(scores, boxes, strict=True), key=lambda pair: -pair[0]):
                if score < least:
                    continue
                shares = [overlap(box, face) for face in truth]
                best = int(np.argmax(shares)) if shares else -1
                if shares and shares[best] >= 0.5:
                    if ignored[best]:
                        continue
                    hits += best not in taken
                    taken.add(best)
                counted += 1
        if counted:
            points.append((hits / faces, hits / counted))
    area, before = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(precision for other, precision in points if other >= recall)
        before = recall
    return area


boxes_of = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(4, 16), st.integers(4, 16)), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(boxes_of, boxes_of), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_it_is_the_area_that_counting_boxes_gives(drawn, seed):
    rng = np.random.default_rng(seed)
    photos = []
    for found, truth in drawn:
        found, truth = (np.array([(x, y, x + w, y + h) for x, y, w, h in part], float).reshape(-1, 4)
                        for part in (found, truth))  # fmt: skip
        photos.append((found, rng.permutation(len(found)) / 8 + rng.random(), truth, rng.random(len(truth)) < 0.3))
    if not sum((~ignored).sum() for *_, ignored in photos):
        assert np.isnan(average_precision([compare_boxes(*photo) for photo in photos]))
        return
    ours = average_precision([compare_boxes(*photo) for photo in photos])
    assert ours == pytest.approx(slow_average_precision(photos))


def test_a_second_box_on_a_face_is_wrong_and_one_on_an_ignored_face_is_nothing():
    faces = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], float)
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], float)
    compared = compare_boxes(boxes, np.array([0.9, 0.8, 0.7, 0.6]), faces, np.array([False, True]))
    assert compared.right.tolist() == [True, False, False]
    assert compared.scores == pytest.approx([0.9, 0.8, 0.6])
    assert compared.best == pytest.approx([0.9])
