"""The open-set threshold: a bound for any people, estimated from the similarity of a gallery's own people."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.metric import Impostors, open_set_far

CARD = Impostors((0.1, 0.01, 0.001, 1e-4), (1,), ((1.0, 0.8, 0.65, 0.55),))


def nearest_of(people, times, rng, count=None):
    """Distances to the nearest of so many others, who match `times` as often as the card's people."""
    return distances_at(rng.exponential(size=count or people) / times / people)


def distances_at(rates):
    return np.array([float(CARD.threshold(min(1.0, rate))) for rate in rates])


@pytest.mark.parametrize("people", [10, 50, 300, 3000])
@pytest.mark.parametrize("times", [1, 10, 60])
def test_the_fpir_is_met_for_strangers_as_alike_as_the_enrolled(people, times):
    rng = np.random.default_rng(people + times)
    entered = []
    for _ in range(25):
        own = nearest_of(people, times, rng, min(people, 2000))
        far = open_set_far(0.01, people, CARD, own)
        # The rate at which a stranger matches one of N people is that of exponential variables below `far`.
        entered.append(1 - np.exp(-times * people * far))
    assert np.mean(entered) <= 0.01
    # A bound that rejects everybody would be trivial.
    assert np.mean(entered) > 0.0008


def test_people_like_the_cards_get_a_threshold_near_the_cards():
    own = nearest_of(5000, 1, np.random.default_rng(0), 2000)
    assert 0.5 * 0.01 / 5000 < open_set_far(0.01, 5000, CARD, own) <= 0.01 / 5000


@given(
    fpir=st.floats(1e-4, 0.5),
    people=st.integers(0, 10**7),
    distances=st.lists(st.floats(0, 4), max_size=60),
)
@settings(deadline=None)
def test_the_rate_is_never_looser_than_the_cards_and_never_zero(fpir, people, distances):
    far = open_set_far(fpir, people, CARD, np.array(distances))
    assert 0 < far <= fpir / max(people, 1)
    assert far >= fpir / max(people, 1) / 1000 * (1 - 1e-9)


@pytest.mark.parametrize("people", [2, 3, 5, 20, 100])
@pytest.mark.parametrize("times", [2, 3])
def test_duplicates_of_a_person_do_not_tighten_the_threshold(people, times):
    rng = np.random.default_rng(people)
    rates = np.sort(np.cumsum(rng.exponential(size=(people, 4)), axis=1) / people, axis=1)
    rates[:, max(0, people - 1) :] = np.inf
    strangers = np.where(np.isfinite(rates), distances_at(rates.ravel()).reshape(rates.shape), np.inf)
    # The first person is enrolled under several names, nearer to each other than to anybody else.
    own = [1e-7 * (1 + number) for number in range(times - 1)]
    twins = np.hstack([np.broadcast_to(distances_at(own), (times, times - 1)), np.repeat(strangers[:1], times, axis=0)])
    known = np.vstack([twins[:, :4], strangers[1:]])
    without = open_set_far(0.01, people, CARD, strangers) * people
    assert open_set_far(0.01, people + times - 1, CARD, known) * (people + times - 1) >= 0.6 * without


def test_people_who_are_all_alike_do_not_count_as_duplicates():
    rng = np.random.default_rng(0)
    rates = np.cumsum(rng.exponential(size=(200, 4)), axis=1) / 200 / 60
    nearest = distances_at(rates.ravel()).reshape(rates.shape)
    assert open_set_far(0.01, 200, CARD, nearest) <= 1.05 * open_set_far(0.01, 200, CARD, nearest[:, 0])


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_the_rate_increases_with_fpir(rates, seed):
    own = nearest_of(200, 5, np.random.default_rng(seed), 100)
    found = [open_set_far(rate, 200, CARD, own) for rate in sorted(rates)]
    assert found == sorted(found)


def test_a_few_duplicates_hardly_matter_and_duplicates_only_still_give_a_usable_threshold():
    rng = np.random.default_rng(1)
    own = nearest_of(1000, 1, rng)
    some = np.concatenate([own[:-10], np.zeros(10)])
    assert open_set_far(0.01, 1000, CARD, some) > 0.25 * open_set_far(0.01, 1000, CARD, own)
    assert open_set_far(0.01, 1000, CARD, np.zeros(1000)) == pytest.approx(0.01 / 1000 / 1000)


def test_sampling_some_people_keeps_the_bound_for_all():
    rng = np.random.default_rng(2)
    for times in (1, 10):
        part = nearest_of(5000, times, rng, 2000)
        far = open_set_far(0.01, 1_000_000, CARD, part, among=5000)
        assert 1 - np.exp(-times * 1_000_000 * far) <= 0.012


def test_far_is_the_inverse_of_threshold():
    rates = np.array([0.5, 0.1, 0.03, 0.001, 1e-5])
    assert CARD.far(distances_at(rates)) == pytest.approx(rates, rel=1e-6)
