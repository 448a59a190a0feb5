"""Pairs and folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.evaluate import all_pairs, identity_folds, sampled_pairs, score


@given(people=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_every_two_faces_are_one_pair(people):
    pairs = all_pairs(people)
    expected = {(i, j): people[i] == people[j] for i in range(len(people)) for j in range(i + 1, len(people))}
    assert dict(zip(zip(pairs.a, pairs.b, strict=True), pairs.same, strict=True)) == expected


@given(people=st.integers(4, 30), folds=st.integers(2, 10), seed=st.integers(0, 100))
def test_no_person_is_in_two_folds(people, folds, seed):
    labels = np.repeat(np.arange(people) * 7, 3)
    if people < 2 * folds:
        with pytest.raises(DataError, match="cannot be split"):
            identity_folds(labels, folds, seed)
        return
    found = identity_folds(labels, folds, seed)
    assert sorted(np.concatenate(found).tolist()) == (np.arange(people) * 7).tolist()
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert all((a == b).all() for a, b in zip(found, identity_folds(labels, folds, seed), strict=True))


@settings(deadline=None)
@given(people=st.lists(st.integers(0, 4), min_size=8, max_size=20), limit=st.integers(1, 60), seed=st.integers(0, 99))
def test_a_sample_of_pairs_has_all_genuine_ones_and_no_pair_twice(people, limit, seed):
    whole, found = all_pairs(people), sampled_pairs(people, limit, seed)
    codes = found.a * len(people) + found.b
    assert len(np.unique(codes)) == len(found)
    assert (found.a < found.b).all()
    assert (found.same == (np.array(people)[found.a] == np.array(people)[found.b])).all()
    assert found.same.sum() == whole.same.sum()
    assert (~found.same).sum() == min((~whole.same).sum(), max(limit - whole.same.sum(), whole.same.sum())) or len(
        whole
    ) <= limit
    again = sampled_pairs(people, limit, seed)
    assert (found.a == again.a).all()


def test_pairs_with_a_missing_face_are_infinitely_far_apart():
    people = np.array([0, 0, 1, 1])
    scored = score(np.eye(4), people, all_pairs(people), present=[True, True, True, False])
    assert np.isinf(scored.distances).tolist() == [False, False, True, False, True, True]
    assert scored.distances[0] == pytest.approx(2)
