"""Three outcomes, in words that state both error rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.metric import FRRS, Decision, measurable_frr, other_faces, rejection_at
from facespace.metric.verdict import share_in_words

distances = st.lists(st.floats(0, 4, allow_nan=False), min_size=20, max_size=200)


@given(distances, st.sampled_from(FRRS[:2]))
def test_rejection_is_the_smallest_distance_that_keeps_the_rate(genuine, frr):
    found = rejection_at(frr, genuine)
    array = np.array(genuine)
    assert (array > found).mean() <= frr + 1e-9
    nearer = array[array < found]
    if len(nearer):
        assert (array > nearer.max()).mean() > frr - 1e-9


@pytest.mark.parametrize(
    ("frr", "count", "message"), [(0, 50, "above 0"), (1, 50, "below 1"), (0.01, 50, "at least 100")]
)
def test_a_rate_that_cannot_be_measured_is_refused(frr, count, message):
    with pytest.raises(ValueError, match=message):
        rejection_at(frr, np.zeros(count))


@given(st.floats(0, 4), st.floats(0, 4), st.floats(0, 4))
def test_same_is_near_different_is_far_and_the_rest_is_unclear(accept, reject, distance):
    decision = Decision(accept, 0.001, reject, 0.01)
    outcome = decision.outcome(distance)
    assert (outcome == "same") == (distance <= accept)
    assert (outcome == "different") == (distance > max(accept, reject))


@pytest.mark.parametrize(
    ("distance", "headline", "where"),
    [
        (0.3, "Same person", "within the threshold 0.500"),
        (0.7, "Too close to call", "between 0.500 and 0.900"),
        (1.2, "Different people", "beyond 0.900"),
    ],
)
def test_every_verdict_says_what_was_compared_and_both_error_rates(distance, headline, where):
    verdict = Decision(0.5, 0.001, 0.9, 0.01).verdict(distance)
    assert verdict.headline == headline
    assert f"{distance:.3f}, {where}" in verdict.explanation
    assert "different people, 1 in 1,000 are within 0.500" in verdict.explanation
    assert "same person, 1 in 100 are beyond 0.900" in verdict.explanation


def test_a_threshold_for_the_worst_group_says_so():
    assert "at most 1 in 200 are within 0.500 in each of 14 measured groups" in Decision(0.5, 0.005, groups=14).errors


def test_a_model_without_a_reject_distance_has_two_answers_and_says_so():
    decision = Decision(0.5, 0.001)
    assert [decision.outcome(d) for d in (0.5, 0.51)] == ["same", "different"]
    assert "was not measured" in decision.verdict(0.6).explanation


def test_a_reject_distance_within_the_threshold_leaves_nothing_between():
    decision = Decision(0.9, 0.1, 0.7, 0.01)
    assert [decision.outcome(d) for d in (0.8, 0.91)] == ["same", "different"]
    assert "at most 1 in 100 are beyond 0.900" in decision.errors


@pytest.mark.parametrize(
    ("share", "words"), [(0.001, "1 in 1,000"), (0.05, "1 in 20"), (0.03, "3 %"), (1e-4, "1 in 10,000"), (0, "none")]
)
def test_shares_are_formatted_for_readers(share, words):
    assert share_in_words(share) == words


@pytest.mark.parametrize(("pairs", "frr"), [(200, 0.05), (199, 0.1), (100, 0.1), (99, None), (10**6, 0.05)])
def test_the_false_reject_rate_needs_ten_pairs(pairs, frr):
    assert measurable_frr(pairs) == frr


def test_only_photos_with_several_faces_get_a_note():
    assert other_faces("party.jpg", 1, 1, False) is None
    assert "2 faces; face 2, the largest, was compared. Choose another" in other_faces("p.jpg", 2, 2, False)
    assert "face 1 was compared, as asked" in other_faces("p.jpg", 2, 1, True)
