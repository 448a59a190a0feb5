import numpy as np
import pytest

from facespace.album.constraints import Bond, FaceConstraints, Naming
from facespace.errors import AlbumError


def same(a, b, why="said"):
    return Bond(a, b, True, why)


def apart(a, b, why="said"):
    return Bond(a, b, False, why)


def test_consistent_constraints_are_accepted():
    FaceConstraints(
        (same(1, 2), same(2, 3), apart(3, 4)), (Naming(1, "Ada", ""), Naming(4, "Bob", "")), {1: 10, 4: 10}
    ).check()


def test_a_contradiction_is_refused_with_the_chain_that_contradicts():
    known = FaceConstraints((same(1, 2, "decision 1"), same(3, 2, "decision 2"), apart(1, 3, "this")), (), {})
    with pytest.raises(AlbumError) as refused:
        known.check()
    assert "face 1 is face 2 (decision 1); face 3 is face 2 (decision 2)" in str(refused.value)
    assert "but face 1 is not face 3 (this)" in str(refused.value)


def test_the_reported_chain_is_a_shortest_one():
    bonds = (same(1, 2), same(2, 3), same(3, 4), same(1, 4, "short"), apart(1, 4))
    with pytest.raises(AlbumError, match=r"decisions: face 1 is face 4 \(short\); but"):
        FaceConstraints(bonds, (), {}).check()


def test_two_faces_of_one_photo_cannot_be_linked_indirectly():
    with pytest.raises(AlbumError, match="face 1 and face 3 are in one photo"):
        FaceConstraints((same(1, 2), same(2, 3)), (), {1: 7, 2: 8, 3: 7}).check()


def test_two_faces_of_one_photo_can_be_declared_one_person():
    known = FaceConstraints((same(1, 3),), (), {1: 7, 3: 7})
    known.check()
    _, held_apart, _ = known.arrays(np.array([1, 2, 3]))
    assert len(held_apart) == 0


def test_one_person_has_one_name():
    with pytest.raises(AlbumError, match="face 1 is named 'Ada' and face 3 'Bob'"):
        FaceConstraints((same(1, 2), same(2, 3)), (Naming(1, "Ada", ""), Naming(3, "Bob", "")), {}).check()


def test_faces_of_one_name_are_one_person():
    with pytest.raises(AlbumError, match="both are named 'Ada'"):
        FaceConstraints((apart(1, 2),), (Naming(1, "Ada", ""), Naming(2, "Ada", "")), {}).check()


def test_arrays_are_rows_of_the_faces():
    known = FaceConstraints((same(10, 30), apart(20, 30)), (Naming(20, "Ada", ""),), {10: 1, 20: 1, 30: 2})
    together, held_apart, colour = known.arrays(np.array([10, 20, 30]))
    assert together.tolist() == [[0, 2]]
    assert sorted(map(sorted, held_apart.tolist())) == [[0, 1], [1, 2]]
    assert colour.tolist() == [-1, 0, -1]
