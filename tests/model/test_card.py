"""The model card: what is rejected, and what it contains."""

import pytest

from facespace.errors import ModelError
from facespace.model import Card

CARD = {
    "name": "test",
    "version": "1",
    "weights_sha256": "0" * 64,
    "dimension": 128,
    "normalised": True,
    "detector": "whole-photo",
    "crop": "box",
    "licence": "MIT",
    "data_terms": "none",
    "input": {"width": 8, "height": 8, "colour": "RGB", "mean": [0, 0, 0], "std": [1, 1, 1]},
}
DECISIONS = {
    "data": "somebody",
    "people": 5,
    "genuine_pairs": 100,
    "impostor_pairs": 1000,
    "default_far": 0.01,
    "thresholds": [
        {"far": 0.1, "threshold": 1.2, "low": 1.1, "high": 1.3},
        {"far": 0.01, "threshold": 0.9, "low": 0.8, "high": 1.0},
    ],
    "calibration": {"slope": -8, "intercept": 8},
    "clustering": {"linkage": "average", "threshold": 1.0},
}


def card(**changes):
    return Card.parse({**CARD, **changes}, "here")


def test_a_threshold_is_the_cards_for_the_rate_asked_or_the_default():
    measured = card(decisions=DECISIONS)
    assert measured.threshold() == measured.threshold(0.01) == 0.9
    assert measured.threshold(0.1) == 1.2


def test_an_unknown_rate_is_refused_with_the_cards_rates():
    with pytest.raises(ModelError, match=r"1e-05; its card has 0\.1, 0\.01"):
        card(decisions=DECISIONS).threshold(1e-5)


def test_a_card_without_decisions_says_how_to_measure_them():
    with pytest.raises(ModelError, match="facespace evaluate MODEL --people FOLDER --write-card"):
        card().threshold()


def test_an_unknown_key_is_refused_with_the_nearest_known():
    with pytest.raises(ModelError, match="input.colours: unknown key; did you mean 'colour'"):
        card(input={**CARD["input"], "colours": "RGB"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimension": 0}, "dimension: .*greater than 0"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"input": {**CARD["input"], "std": [1, 0, 1]}}, "input.std.1"),
        ({"decisions": {**DECISIONS, "default_far": 0.5}}, "default_far 0.5 is not among"),
        ({"decisions": {**DECISIONS, "thresholds": []}}, "decisions.thresholds"),
        ({"decisions": {**DECISIONS, "calibration": {"slope": 1, "intercept": 0}}}, "slope"),
    ],
)
def test_an_inconsistent_card_is_refused_by_key(changes, message):
    with pytest.raises(ModelError, match=message):
        card(**changes)


def test_thresholds_that_fall_as_the_rate_rises_are_refused():
    crossed = [dict(DECISIONS["thresholds"][0], threshold=0.5), DECISIONS["thresholds"][1]]
    with pytest.raises(ModelError, match="must not decrease"):
        card(decisions={**DECISIONS, "thresholds": crossed})


def test_the_space_id_depends_only_on_what_changes_embeddings():
    plain = card()
    assert plain.space_id == card(name="other", licence="none", decisions=DECISIONS).space_id
    for moved in (
        {"weights_sha256": "1" * 64},
        {"crop": "other"},
        {"mirror": True},
        {"input": {**CARD["input"], "colour": "BGR"}},
    ):
        assert card(**moved).space_id != plain.space_id


def test_a_card_from_before_mirror_images_keeps_its_space_id():
    assert "mirror" not in CARD
    assert card(mirror=False).space_id == card().space_id
    assert card().space_id == "8a78987544effa4abe709caf7d204451a8b805adbb1056a64fc71e6b1cb69057"


FIGURE = {"name": "VAL at FAR 1e-3", "value": 0.9, "low": 0.88, "high": 0.92, "data": "440 people"}
STAGE = {"name": "distil", "method": "distillation", "data": "d", "people": 3, "photos": 9, "steps": 2}


def test_an_older_card_without_stages_figures_and_limits_is_valid():
    old = card(training={"data": "d", "people": 3, "photos": 9, "steps": 2, "recipe": {}})
    assert (old.figures, old.limits, old.quantised, old.training.stages) == ((), (), None, ())


def test_stages_figures_and_limits_round_trip_without_changing_the_space_id():
    full = card(
        training={"data": "d", "people": 3, "photos": 9, "steps": 2, "recipe": {}, "stages": [STAGE]},
        figures=[FIGURE],
        limits=[{"condition": "faces of 32 pixels", "figure": FIGURE}, {"condition": "skin tone"}],
        quantised={"weights_sha256": "1" * 64, "data": "train people", "faces": 128, "drift": 0.001},
    )
    again = Card.parse(full.model_dump(mode="json", exclude_none=True), "here")
    assert again == full
    assert again.space_id == card().space_id


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"low": None}, "give both low and high"),
        ({"value": 0.95}, "lies outside its interval"),
        ({"data": ""}, "figures.0.data"),
        ({"valu": 1}, "did you mean 'value'"),
    ],
)
def test_an_invalid_figure_is_refused(change, says):
    with pytest.raises(ModelError, match=says):
        card(figures=[{**FIGURE, **change}])


TAILS = {"fars": [0.1, 0.01], "tails": [{"photos": 1, "thresholds": [1.2, 0.9]}, {"photos": 2, "thresholds": [1.1]}]}


def test_impostor_tails_are_read_and_an_older_card_falls_back_to_its_thresholds():
    old = card(decisions=DECISIONS).impostors()
    assert (old.fars, old.photos, old.thresholds) == ((0.1, 0.01), (1,), ((1.2, 0.9),))
    measured = card(decisions={**DECISIONS, "impostors": TAILS}).impostors()
    assert (measured.photos, measured.thresholds) == ((1, 2), ((1.2, 0.9), (1.1,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fars": [0.01, 0.1]}, "fars must decrease"),
        ({"fars": [0.1]}, "more thresholds than there are fars"),
        ({"tails": [{"photos": 2, "thresholds": [1.0]}]}, "must be for 1 photo"),
        ({"tails": [{"photos": 1, "thresholds": [0.9, 1.2]}]}, "must not increase"),
    ],
)
def test_inconsistent_tails_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        card(decisions={**DECISIONS, "impostors": {**TAILS, **changes}})


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        ({"step": 0.5, "genuine": [1.0], "impostor": [0.5, 0.5]}, "1 bins of genuine but 2 of impostor"),
        ({"step": 0.5, "genuine": [1.0], "impostor": [0.5]}, "impostor pairs sum to 0.5"),
        ({"step": 0, "genuine": [1.0], "impostor": [1.0]}, "step"),
    ],
)
def test_invalid_histograms_are_refused(distances, message):
    with pytest.raises(ModelError, match=message):
        card(decisions={**DECISIONS, "distances": distances})


REJECTIONS = [
    {"frr": 0.1, "distance": 1.0, "low": 0.9, "high": 1.1},
    {"frr": 0.05, "distance": 1.2, "low": 1.1, "high": 1.3},
]


def test_the_reject_distance_is_the_cards():
    measured = card(decisions={**DECISIONS, "rejections": REJECTIONS, "default_frr": 0.05})
    decision = measured.decision()
    assert (decision.accept, decision.far, decision.reject, decision.frr) == (0.9, 0.01, 1.2, 0.05)
    assert measured.decision(0.1).accept == 1.2


def test_a_card_without_rejections_derives_them_from_its_histogram():
    histogram = {"step": 0.5, "genuine": [0.5, 0.4, 0.06, 0.04], "impostor": [0.1, 0.2, 0.3, 0.4]}
    decision = card(decisions={**DECISIONS, "distances": histogram}).decision()
    assert (decision.frr, decision.reject) == (0.1, 1.0)
    many = card(decisions={**DECISIONS, "genuine_pairs": 100_000, "distances": histogram}).decision()
    assert (many.frr, many.reject) == (0.05, 1.5)


def test_a_card_with_neither_gives_two_answers():
    assert card(decisions=DECISIONS).decision().reject is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rejections": REJECTIONS}, "default_frr None is not among"),
        ({"default_frr": 0.05}, "default_frr 0.05 is not among"),
        ({"rejections": [{**REJECTIONS[0], "distance": 1.3}, REJECTIONS[1]], "default_frr": 0.1}, "must not increase"),
    ],
)
def test_rejections_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        card(decisions={**DECISIONS, **changes})
