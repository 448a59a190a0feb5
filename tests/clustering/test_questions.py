import numpy as np
import pytest

from facespace.clustering.arrange import Constraints
from facespace.clustering.confidence import questions
from facespace.clustering.threshold import Cut

CUT = Cut(0.4, slope=-20.0)


def pair_at(distance, axis, dimension=8):
    """Two unit vectors at a given squared distance, in a plane of their own."""
    angle = np.arccos(1 - distance / 2)
    a, b = np.zeros((2, dimension), np.float32)
    a[axis], b[axis], b[axis + 1] = 1, np.cos(angle), np.sin(angle)
    return a, b


def asked(distance):
    """Questions about two single faces and about two clusters of four copies each, equally far apart."""
    (a, b), (c, d) = pair_at(distance, 0), pair_at(distance, 2)
    points = np.stack([a, b, *[c] * 4, *[d] * 4])
    labels = np.repeat(np.arange(4), [1, 1, 4, 4])
    found = questions(points, labels, CUT, 0.4, Constraints.nothing(len(points)))
    return {question.a > 1: question for question in found}


def test_the_mean_distance_of_many_faces_is_more_informative():
    far = asked(0.5)
    assert far[True].probability < far[False].probability < 0.5
    near = asked(0.35)
    assert near[True].probability > near[False].probability > 0.5


@pytest.mark.parametrize("distance", [0.35, 0.4, 0.5])
def test_the_gain_is_the_connected_faces_times_the_probability(distance):
    found = asked(distance)
    assert found[True].gain == pytest.approx(4 * found[True].probability)
    assert found[False].gain == pytest.approx(found[False].probability)
