"""Overlap and non-maximum suppression, against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facespace.faces import boxes as module
from facespace.faces.boxes import overlaps, suppress


def test_overlap_matches_the_definition():
    a = np.array([[0, 0, 10, 10]], float)
    b = np.array([[5, 0, 15, 10], [2, 2, 4, 4], [20, 0, 30, 10]], float)
    assert overlaps(a, b)[0] == pytest.approx([50 / 150, 4 / 100, 0])
    assert overlaps(a, b, "smaller")[0] == pytest.approx([0.5, 1, 0])


def test_boxes_without_area_overlap_nothing():
    nothing = np.zeros((1, 4))
    assert overlaps(nothing, nothing)[0, 0] == 0


def slow_suppress(boxes, scores, threshold):
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        if all(overlaps(boxes[[other]], boxes[[index]])[0, 0] <= threshold for other in kept):
            kept.append(index)
    return kept


@settings(max_examples=100, deadline=None)
@given(
    corners=hnp.arrays(np.int64, st.tuples(st.integers(0, 40), st.just(4)), elements=st.integers(0, 20)),
    block=st.sampled_from([1, 7, 512]),
)
def test_suppression_matches_the_naive_version(corners, block):
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1).astype(float)
    scores = np.random.default_rng(0).random(len(boxes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        assert suppress(boxes, scores, 0.3).tolist() == slow_suppress(boxes, scores, 0.3)
