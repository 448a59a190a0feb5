import numpy as np
import pytest

from facespace.clustering.graph import radius_graph
from facespace.clustering.linkage import average_linkage
from facespace.clustering.threshold import Cut
from facespace.metric import normalise

FALSE_ACCEPTS = ((0.5, 1e-1), (0.4, 1e-2), (0.32, 1e-3))


def merges_of(rng, people, faces):
    centres = normalise(rng.normal(size=(people, 64)))
    points = normalise(np.repeat(centres, faces, 0) + 0.03 * rng.normal(size=(people * faces, 64)))
    return merged(points)


def merged(points):
    return average_linkage(points, radius_graph(points, 0.4), 0.4), points


def test_a_collection_like_the_cards_keeps_the_cards_cut(rng):
    merges = merges_of(rng, 50, 8)
    odds = (50 * 28) / (400 * 399 / 2 - 50 * 28)
    assert Cut(0.4, odds, FALSE_ACCEPTS).of(*merges) == pytest.approx(0.4, abs=1e-3)


def test_rarer_true_pairs_give_a_stricter_cut(rng):
    merges = merges_of(rng, 200, 2)
    cuts = [Cut(0.4, odds, FALSE_ACCEPTS).of(*merges) for odds in (0.003, 0.03, 0.3)]
    assert 0.4 > cuts[0] > cuts[1] > cuts[2] > 0


def test_more_true_pairs_never_loosen_the_cut(rng):
    assert Cut(0.4, 1e-4, FALSE_ACCEPTS).of(*merges_of(rng, 3, 40)) == 0.4


def test_false_accepts_per_true_pair_match_the_card_if_most_groups_are_single_faces():
    # With log FAR a straight line, ten times rarer pairs need a cut with a tenth of the false accepts.
    straight = ((0.3, 1e-3), (0.4, 1e-2))
    sizes = np.repeat([1.0, 2.0], [80, 20])
    odds = 10 * 20 / (120 * 119 / 2 - 20)
    assert Cut(0.4, odds, straight).of_sizes(sizes) == pytest.approx(0.3, abs=1e-3)


def test_groups_of_several_faces_move_the_cut_less():
    straight = ((0.3, 1e-3), (0.4, 1e-2))
    sizes = np.full(100, 4.0)
    odds = 10 * (100 * 6) / (400 * 399 / 2 - 600)
    assert Cut(0.4, odds, straight).of_sizes(sizes) == pytest.approx(0.4 - 0.1 * 1.6 / 4, abs=1e-3)


def test_strangers_only_do_not_lead_to_a_cut_of_zero(rng):
    assert Cut(0.4, 0.004, FALSE_ACCEPTS).of(*merges_of(rng, 300, 1)) > 0.2


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_faces_for_a_pair_keep_the_cards_cut(rng, count):
    points = normalise(rng.normal(size=(count, 8)).reshape(count, 8)) if count else np.empty((0, 8), np.float32)
    assert Cut(0.4, 0.1, FALSE_ACCEPTS).of(average_linkage(points, radius_graph(points, 1.0), 1.0), points) == 0.4


def test_an_explicit_threshold_is_not_adapted(rng):
    assert Cut(0.4).of(*merges_of(rng, 300, 1)) == 0.4


def test_at_the_cut_the_odds_are_even_and_they_fall_with_distance():
    found = Cut(0.4, slope=-20).probability([0.2, 0.3, 0.5], 0.3)
    assert found[1] == pytest.approx(0.5)
    assert found[0] > 0.85
    assert found[2] < 0.05


def alike(rng, people, common):
    """One face each of people with a common component."""
    shared = common * normalise(np.random.default_rng(3).normal(size=(1, 64)))
    return normalise(shared + normalise(rng.normal(size=(people, 64))))


def test_people_more_alike_than_the_cards_give_a_stricter_cut(rng):
    ordinary, similar = alike(rng, 300, 0.5), alike(rng, 300, 1.7)
    cut = Cut(0.4, 0.004, FALSE_ACCEPTS)
    assert cut.near_share(ordinary) < 0.01 < cut.near_share(similar)
    assert cut.of(*merged(similar)) < 0.95 * cut.of(*merged(ordinary))


def test_the_fraction_of_near_pairs_matches_comparing_all(rng):
    points = alike(rng, 200, 1.5)
    a, b = np.triu_indices(200, 1)
    near = ((points[a] - points[b]) ** 2).sum(axis=1) <= 0.4
    assert Cut(0.4, 0.004, FALSE_ACCEPTS).near_share(points) == pytest.approx(near.mean(), rel=0.01)


def test_pairs_of_one_person_do_not_count_as_similar_strangers(rng):
    merges, points = merges_of(rng, 50, 8)
    cut = Cut(0.4, (50 * 28) / (400 * 399 / 2 - 50 * 28), FALSE_ACCEPTS)
    assert cut.near_share(points) > 0.01
    assert cut.of(merges, points) == pytest.approx(0.4, abs=1e-3)


def test_one_person_with_hundreds_of_photos_does_not_loosen_the_cut_for_the_rest(rng):
    singles = normalise(rng.normal(size=(400, 64)))
    star = normalise(singles[:1] + 0.03 * rng.normal(size=(300, 64)))
    cut = Cut(0.4, 0.02, FALSE_ACCEPTS)
    assert cut.of_sizes(np.array([300.0, *[1.0] * 400])) < cut.threshold
    found = cut.of(*merged(np.concatenate([singles, star])))
    assert found == pytest.approx(cut.of_sizes(np.array([301.0, *[1.0] * 399])), rel=0.02)
