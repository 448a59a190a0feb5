"""Measurements within groups: from a table to the card, and their effect on decisions."""

import numpy as np
import pytest
from PIL import Image

from facespace.cli.groups import group_lines
from facespace.errors import DataError
from facespace.evaluate import (
    GroupedFaces,
    decide,
    embed_groups,
    groups_card,
    measure_groups,
    read_groups,
    reliability,
    val_at_worst_group,
    with_calibration_error,
)
from facespace.evaluate.groups import CHILDREN, WORST
from facespace.metric import normalise, squared_distances
from facespace.model import Card


def strangers(rng, each=60):
    """Two groups of both sexes; people of one group are more similar. Half of all are children."""
    group = np.repeat(["near", "far"], 2 * each)
    sex = np.tile(["f", "m"], 2 * each)
    age = np.tile(["3-9", "10-19", "0-2", "70+"], each)
    common = np.where(group == "near", 0.8, 0.3)[:, None] * normalise(rng.normal(size=(1, 32)))
    points = normalise(common + normalise(rng.normal(size=(4 * each, 32))))
    return GroupedFaces(points, np.arange(4 * each), {"group": group, "sex": sex, "age": age}, "strangers of a test")


def people(rng, count=40, photos=6):
    labels = np.repeat(np.arange(count), photos)
    return normalise(rng.normal(size=(count, 32))[labels] + 0.5 * rng.normal(size=(len(labels), 32))), labels


def rate_of(faces, chosen, threshold):
    points = faces.embeddings[chosen]
    return np.mean(squared_distances(points, points)[np.triu_indices(len(points), 1)].astype(np.float64) <= threshold)


def test_the_key_figure_is_the_share_of_genuine_pairs_where_no_group_exceeds_the_rate(rng):
    faces, (points, labels) = strangers(rng), people(rng)
    found, figures = val_at_worst_group(points, labels, faces, far=1e-2)
    threshold = figures.worst(1e-2).worst.threshold.value
    rates = {
        (group, sex): rate_of(faces, (faces.columns["group"] == group) & (faces.columns["sex"] == sex), threshold)
        for group in ("near", "far")
        for sex in ("f", "m")
    }
    # The last bits of a distance depend on how it is computed: a pair may cross.
    assert max(rates.values()) <= 1e-2 + 1.5 / 1770
    assert figures.worst(1e-2).worst.group == ", ".join(max(rates, key=rates.get))
    a, b = np.triu_indices(len(labels), 1)
    same = labels[a] == labels[b]
    assert found.value == pytest.approx(np.mean(squared_distances(points, points)[a, b][same] <= threshold), abs=2e-3)
    children = np.isin(faces.columns["age"], ["0-2", "3-9"])
    assert figures.rate(*CHILDREN, far=figures.at[0].far).value == pytest.approx(
        rate_of(faces, children, figures.at[0].threshold), abs=2e-4
    )


def test_any_columns_can_decide_and_others_are_shown(rng):
    faces = strangers(rng)
    figures = measure_groups(faces, [("age",), ("sex", "group")])
    assert figures.by == ("age",)
    assert {group.name for group in figures.groups} >= {"0-2", "up to 9", "f, near", "all pairs"}
    with pytest.raises(DataError, match="no column 'colour'; it has group, sex, age"):
        measure_groups(faces, [("colour",)])


def test_a_card_with_groups_decides_by_the_worst_and_one_without_as_before(rng, space):
    faces, (points, labels) = strangers(rng, each=120), people(rng)
    before, after = (decide(points, labels, "forty people", strangers=given) for given in (None, faces))
    assert before.groups is None
    assert after.thresholds == before.thresholds
    measured = {entry.far: entry.threshold for entry in after.groups.thresholds}
    average = {entry.far: entry.threshold for entry in after.thresholds}
    assert 1e-2 in measured.keys() & average.keys()
    cards = [space.card.model_copy(update={"decisions": found}) for found in (before, after)]
    assert cards[0].threshold(1e-2) == average[1e-2]
    assert cards[1].threshold(1e-2) == min(average[1e-2], measured[1e-2]) < average[1e-2]
    # The threshold of a rate measured only on average is not looser than the groups' threshold of a higher rate.
    rare = min(average)
    assert rare not in measured
    assert cards[1].threshold(rare) == min(average[rare], *measured.values())
    thresholds = [cards[1].threshold(far) for far in after.fars]
    assert thresholds == sorted(thresholds, reverse=True)
    # It is the same after writing and reading.
    written = Card.parse(cards[1].model_dump(mode="json", exclude_none=True), "here")
    assert written == cards[1]
    assert written.space_id == space.card.space_id


def test_the_card_says_on_whom_probabilities_hold_and_how_wrong_they_are_elsewhere(rng):
    faces, (points, labels) = strangers(rng), people(rng)
    decisions = decide(points, labels, "forty people", strangers=faces)
    calibration = decisions.calibration
    assert calibration.population == "forty people"
    own, within = calibration.errors
    assert own.data == "forty people"
    assert within.data.startswith("strangers of one group, sex (strangers of a test)")
    assert within.error > own.error
    other = with_calibration_error(decisions, "LFW", reliability([0.9, 0.2, 0.4], [True, False, True]))
    assert [entry.data for entry in other.calibration.errors[-1:]] == ["LFW"]
    assert other.thresholds == decisions.thresholds
    again = with_calibration_error(other, "LFW", reliability([0.9, 0.1], [True, False]))
    assert len(again.calibration.errors) == 3


def test_the_table_on_the_terminal_keeps_to_80_columns(rng):
    faces, (points, labels) = strangers(rng), people(rng)
    named = GroupedFaces(
        faces.embeddings,
        faces.people,
        {**faces.columns, "group": np.char.add(faces.columns["group"], " people of a very long name")},
        "strangers",
    )
    lines = group_lines(decide(points, labels, "forty people", strangers=named).groups)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("age up to 9") for line in lines)


def test_figures_become_a_card_and_say_what_they_hold_for(rng):
    figures = measure_groups(strangers(rng), average={1e-3: 1.0})
    card = groups_card(figures)
    assert [at.holds_for for at in card.at] == [WORST, "average pair"]
    assert all(len(group.rates) == 2 for group in card.groups)


def test_too_few_faces_for_any_rate_are_a_clear_error(rng):
    faces = strangers(rng, each=5)
    with pytest.raises(DataError, match="no group by group, sex has enough faces"):
        measure_groups(faces)


@pytest.fixture
def table(people_folder, tmp_path):
    """Twelve photos of ORL people in a folder next to their table."""
    (tmp_path / "groups").mkdir()
    rows = ["photo; sex"]
    for at, photo in enumerate(sorted(people_folder.rglob("*.pgm"))[:12]):
        Image.open(photo).save(tmp_path / "groups" / f"{at}.png")
        rows.append(f"groups\\{at}.png; {'mf'[at % 2]}")
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    return tmp_path / "groups.csv"


@pytest.fixture
def people_folder(orl, tmp_path_factory):
    from facespace.demo.orl import lay_out

    return lay_out(tmp_path_factory.mktemp("twelve"), 1, 2)


def test_a_table_is_read_with_the_photos_next_to_it(table, space):
    listed = read_groups(table)
    (table.parent / "groups" / "3.png").unlink()
    faces, notes = embed_groups(space, listed)
    assert faces.embeddings.shape == (11, space.dimension)
    assert list(faces.columns) == ["sex"]
    assert "".join(faces.columns["sex"]) == "mfm" + "mfmfmfmf"
    assert "1 of 12 photos of groups.csv were left out, because" in notes[0]
    assert faces.data.startswith("11 faces of groups.csv [")


def test_a_table_by_person_takes_one_photo_of_each(people_folder, tmp_path, space):
    (tmp_path / "sex.csv").write_text("person,sex\ns1,m\ns2,f\nnobody,f\n")
    listed = read_groups(tmp_path / "sex.csv", people_folder)
    assert [name.partition("/")[0] for name in listed.names] == ["s1", "s2"]
    assert listed.columns["sex"].tolist() == ["m", "f"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,sex\na,m\n", "needs a column photo"),
        ("photo\na.png\n", "at least one column to group by"),
        ("photo,sex\nother.png,m\n", "contains no photo of"),
    ],
)
def test_an_unusable_table_is_a_clear_error(table, text, message):
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        read_groups(table)


def test_missing_photos_of_a_table_are_a_clear_error(table):
    table.rename(table.with_name("others.csv"))
    with pytest.raises(DataError, match="name them with --group-images"):
        read_groups(table.with_name("others.csv"))
