"""Pose from five landmarks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.faces import pose
from facespace.faces.pose import FACE


def seen(yaw, pitch, roll):
    """Landmarks of the mean face rotated by these angles, a hundred pixels from the corner, forty between the eyes."""
    a, b, c = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (FACE @ (tilt @ nod @ turn).T)[:, :2] * 40 + 100


@settings(max_examples=100, deadline=None)
@given(angle=st.floats(-60, 60))
def test_a_rotation_about_one_axis_is_estimated(angle):
    assert pose(seen(angle, 0, 0)) == pytest.approx([angle, 0, 0], abs=0.01)
    assert pose(seen(0, angle, 0)) == pytest.approx([0, angle, 0], abs=0.01)
    assert pose(seen(0, 0, angle * 2.9)) == pytest.approx([0, 0, angle * 2.9], abs=0.01)


def test_rotations_about_all_axes_are_estimated_roughly():
    assert pose(seen(30, 15, 20)) == pytest.approx([30, 15, 20], abs=6)
    assert pose(np.stack([seen(30, 0, 0), seen(0, 0, -90)])) == pytest.approx(
        np.array([[30, 0, 0], [0, 0, -90]]), abs=0.01
    )


def test_a_mirrored_face_has_the_opposite_yaw():
    points = seen(25, 10, 12)
    mirrored = points[[1, 0, 2, 4, 3]] * (-1, 1)
    assert pose(mirrored) == pytest.approx(pose(points) * (-1, 1, -1), abs=1e-6)


def test_coinciding_landmarks_give_finite_angles():
    assert np.isfinite(pose(np.zeros((5, 2)))).all()
