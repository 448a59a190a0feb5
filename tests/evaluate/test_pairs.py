"""Pairs and folds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.evaluate import all_pairs, identity_folds


@given(people=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_every_two_faces_are_one_pair(people):
    pairs = all_pairs(people)
    expected = {(i, j): people[i] == people[j] for i in range(len(people)) for j in range(i + 1, len(people))}
    assert dict(zip(zip(pairs.a, pairs.b, strict=True), pairs.same, strict=True)) == expected


@given(people=st.integers(4, 30), folds=st.integers(2, 10), seed=st.integers(0, 100))
def test_folds_split_people_with_nobody_in_two(people, folds, seed):
    labels = np.repeat(np.arange(people) * 7, 3)
    if people < 2 * folds:
        with pytest.raises(DataError, match="cannot be split"):
            identity_folds(labels, folds, seed)
        return
    found = identity_folds(labels, folds, seed)
    assert sorted(np.concatenate(found).tolist()) == (np.arange(people) * 7).tolist()
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert all((a == b).all() for a, b in zip(found, identity_folds(labels, folds, seed), strict=True))
