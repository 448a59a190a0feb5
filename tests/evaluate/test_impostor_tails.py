"""Tails of impostor distances: correct on the same people, about correct on others, smaller with more photos."""

import numpy as np
import pytest

from facespace.evaluate import decide
from facespace.evaluate.impostor_tails import impostor_tails
from facespace.metric import normalise, squared_distances


def faces(seed, people=60, photos=8):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photos)
    # As in real spaces, all faces have a common component, which dominates more in a mean of several.
    centres = 1 + 0.7 * rng.normal(size=(people, 32))
    return normalise(centres[labels] + 0.7 * rng.normal(size=(len(labels), 32))), labels


def test_for_single_photos_the_shares_are_at_most_those_of_all_pairs_and_not_far_below():
    points, labels = faces(0)
    card = impostor_tails(points, labels)
    impostor = squared_distances(points, points)[labels[:, None] != labels[None, :]]
    for far, threshold in zip(card.fars, card.tails[0].thresholds, strict=True):
        share = np.mean(impostor <= threshold - 1e-6)
        assert share <= far
        assert share > (0.95 if far > 0.01 else 0.1) * far - 3 / len(impostor)
    assert card.fars[0] == 0.1
    assert card.fars[-1] >= 10 / len(impostor) > card.fars[-1] / 2.6


def test_small_rates_hold_on_other_people_nearly_always():
    kept = []
    for seed in range(6):
        card = impostor_tails(*faces(seed, people=40))
        others, owners = faces(seed + 100, people=40)
        strange = squared_distances(others, others)[owners[:, None] != owners[None, :]]
        kept += [np.mean(strange <= card.tails[0].thresholds[card.fars.index(far)]) <= far for far in (0.01, 0.001)]
    assert np.mean(kept) >= 0.8


def test_templates_of_more_photos_are_nearer_to_strangers_and_keep_their_rate_on_other_people():
    points, labels = faces(0)
    card = impostor_tails(points, labels)
    assert [tail.photos for tail in card.tails] == [1, 2, 4]
    others, owners = faces(1)
    for tail in card.tails[1:]:
        assert tail.thresholds[3] < card.tails[0].thresholds[3]
        means = normalise(others.reshape(60, 8, 32)[:, : tail.photos].mean(axis=1))
        strange = squared_distances(means, others)[np.arange(60)[:, None] != owners[None, :]]
        for far, threshold in list(zip(card.fars, tail.thresholds, strict=False))[:4]:
            assert np.mean(strange <= threshold) == pytest.approx(far, rel=0.6, abs=1e-3)


def test_the_card_carries_the_tails_and_the_space_reads_them():
    some = faces(0, people=15, photos=6)
    assert decide(*some, "fifteen people").impostors == impostor_tails(*some)


def test_few_photos_give_short_tails_and_none_at_all_give_none():
    points, labels = faces(2, people=7, photos=3)
    card = impostor_tails(points, labels)
    assert [tail.photos for tail in card.tails] == [1, 2]
    assert len(card.tails[1].thresholds) <= len(card.fars)
    assert impostor_tails(points[:3], labels[:3]) is None
