"""Assignment of faces to people, compared with scipy and with exhaustive search."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.gallery.assignment import assign


def total(costs, chosen):
    return sum(costs[row, column] for row, column in enumerate(chosen) if column >= 0)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 10_000))
def test_no_other_assignment_has_a_lower_cost(rows, columns, seed):
    costs = np.random.default_rng(seed).integers(-5, 3, size=(rows, columns)).astype(float)
    chosen = assign(costs)
    taken = chosen[chosen >= 0]
    assert len(set(taken)) == len(taken)
    everybody = [-1] * rows + list(range(columns))
    best = min((total(costs, way) for way in set(itertools.permutations(everybody, rows))), default=0)
    assert total(costs, chosen) == best


@pytest.mark.parametrize("seed", range(5))
def test_large_problems_agree_with_scipy(seed):
    optimize = pytest.importorskip("scipy.optimize")
    costs = -np.random.default_rng(seed).random((40, 60))
    rows, columns = optimize.linear_sum_assignment(costs)
    assert total(costs, assign(costs)) == pytest.approx(costs[rows, columns].sum())


def test_forbidden_and_worthless_pairs_are_not_assigned():
    assert assign([[np.inf, 0.5], [np.inf, -1.0]]).tolist() == [-1, 1]
    assert assign(np.empty((2, 0))).tolist() == [-1, -1]


def test_the_better_face_keeps_the_person_and_the_other_gets_its_second_choice():
    assert assign([[-3.0, -1.0], [-2.0, np.inf]]).tolist() == [1, 0]
    assert assign([[-3.0, np.inf], [-2.0, np.inf]]).tolist() == [0, -1]
