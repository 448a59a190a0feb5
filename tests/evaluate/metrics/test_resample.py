"""Bootstrap rounds of the ROC against explicit resamples of pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.evaluate.metrics import resample
from facespace.evaluate.metrics.intervals import draws
from facespace.evaluate.metrics.pairs import ScoredPairs, all_pairs, score
from facespace.evaluate.metrics.resample import resample_roc
from facespace.evaluate.metrics.roc import roc
from facespace.metric import normalise

FARS = (0.05, 0.2, 0.5)


def written_out(pairs, drawn):
    """Distances of both kinds, with the pairs of each drawn person and of each two drawn people repeated."""
    copies = [person for person in range(pairs.people) for _ in range(drawn[person])]
    genuine, impostor = [], []
    for distance, same, i, j in zip(pairs.distances, pairs.same, pairs.first, pairs.second, strict=True):
        for at, first in enumerate(copies):
            if same:
                genuine += [distance] * int(first == i)
            else:
                impostor += [distance] * sum({i, j} == {first, second} for second in copies[at + 1 :])
    return genuine, impostor


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.integers(2, 30), absent=st.booleans())
def test_a_round_equals_the_metrics_of_the_explicit_resample(seed, steps, absent):
    rng = np.random.default_rng(seed)
    people = np.concatenate([np.arange(4), rng.integers(0, 4, 6)])
    faces = all_pairs(people)
    # Few distinct distances, so that there are ties within and between both kinds.
    distances = rng.integers(0, steps, len(faces)) + 2.0 * ~faces.same
    if absent:
        distances[(faces.a == 0) | (faces.b == 0)] = np.inf
    pairs = ScoredPairs(distances, faces.same, people[faces.a], people[faces.b], 4)
    found = resample_roc(pairs, FARS, rounds=5, seed=seed)
    for number, drawn in enumerate(draws(4, 5, seed)):
        genuine, impostor = written_out(pairs, drawn)
        if not genuine or not impostor:
            assert np.isnan(found.auc[number])
            continue
        curve = roc(genuine, impostor)
        assert found.auc[number] == pytest.approx(curve.auc)
        assert found.val[number] == pytest.approx([curve.val_at(far) for far in FARS])
        if not absent:
            assert found.equal_error_rate[number] == pytest.approx(curve.equal_error_rate)


def test_thinning_far_impostor_pairs_hardly_moves_an_interval(monkeypatch):
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(60), 5)
    points = normalise(rng.normal(size=(60, 16))[people] + 0.9 * rng.normal(size=(300, 16)))
    pairs = score(points, people, all_pairs(people))
    whole = resample_roc(pairs, (1e-1, 1e-2), rounds=100)
    monkeypatch.setattr(resample, "MAX_IMPOSTORS", 10_000)
    thinned = resample_roc(pairs, (1e-1, 1e-2), rounds=100)
    for few, all_of_them in ((thinned.auc, whole.auc), (thinned.val[:, 0], whole.val[:, 0])):
        assert np.std(few - all_of_them) < 0.25 * np.std(all_of_them)
    assert np.std(thinned.val[:, 1] - whole.val[:, 1]) < 0.25 * np.std(whole.val[:, 1])
