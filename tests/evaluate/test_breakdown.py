"""Error rates by property."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import protocols, read_columns, verification
from facespace.evaluate.breakdown import Column, breakdowns
from facespace.evaluate.photos import InMemoryPhotos
from facespace.metric import normalise


@pytest.fixture(scope="module")
def figures():
    """Twenty people with five photos each; the second ten vary three times as much."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 5)
    spread = np.where(labels < 10, 0.4, 1.2)[:, None]
    points = normalise(rng.normal(size=(20, 24))[labels] + spread * rng.normal(size=(100, 24)))
    return verification(points, labels, fars=(1e-1, 1e-2), rounds=20), labels


def test_errors_of_groups_are_counts_at_one_threshold(figures):
    v, labels = figures
    group = np.where(labels < 10, "calm", "lively")
    (found,) = breakdowns(v, [Column("manner", group)], far=1e-2)
    for shown in found.groups:
        inside = (group[v.pairs.a] == shown.name) & (group[v.pairs.b] == shown.name)
        assert shown.genuine == (inside & v.pairs.same).sum() == 100
        assert shown.impostor == (inside & ~v.pairs.same).sum()
        assert shown.fnmr.value == pytest.approx(np.mean(v.distances[inside & v.pairs.same] > found.threshold))
        assert shown.fmr.value == pytest.approx(np.mean(v.distances[inside & ~v.pairs.same] <= found.threshold))
    calm, lively = found.groups
    assert lively.fnmr.low > calm.fnmr.high
    assert np.mean(v.impostor <= found.threshold) <= 1e-2


def test_numeric_columns_are_split_into_thirds_by_the_worse_photo(figures):
    v, _ = figures
    values = np.arange(100.0)
    (low, high) = breakdowns(v, [Column("n", values), Column("n", values, worse="higher")])
    for found, worse in ((low, np.minimum), (high, np.maximum)):
        counts = [group.genuine for group in found.groups]
        assert sum(counts) == 200
        assert max(counts) - min(counts) < 10
        decisive = worse(values[v.pairs.a], values[v.pairs.b])[v.pairs.same]
        third = np.quantile(decisive, 1 / 3)
        assert found.groups[0].genuine == (decisive <= third).sum()


def test_unknown_values_are_in_no_group_and_one_group_is_no_breakdown(figures):
    v, _ = figures
    words = np.where(np.arange(100) < 50, "known", "")
    assert not breakdowns(v, [Column("w", words)])
    assert not breakdowns(v, [Column("n", np.full(100, np.nan))])


def test_columns_are_read_for_photos_or_people(tmp_path):
    asked = protocols.pairs_of_people(
        InMemoryPhotos({f"p{i}/{j}.jpg": b"" for i in range(4) for j in range(3)}, "here")
    )
    path = tmp_path / "columns.csv"
    path.write_text("person,age,gender\np0,20,f\np1,30,m\np3,,f\n")
    age, gender = read_columns(path, asked)
    assert gender.values.tolist() == ["f"] * 3 + ["m"] * 3 + [""] * 3 + ["f"] * 3
    assert age.values.tolist()[:4] == ["20", "20", "20", "30"], "few values are not split"
    path.write_text("photo,light\n" + "".join(f"{name},{at}\n" for at, name in enumerate(asked.names)))
    (light,) = read_columns(path, asked)
    assert light.values.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,age\nx,1\n", "needs a column 'photo' or 'person'"),
        ("person\nx\n", "at least one other"),
        ("person,age\nnobody,1\n", "contains no person of this evaluation; its first is 'nobody'"),
    ],
)
def test_useless_columns_are_clear_errors(tmp_path, text, message):
    asked = protocols.pairs_of_people(InMemoryPhotos({"p/1.jpg": b""}, "here"))
    (tmp_path / "columns.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_columns(tmp_path / "columns.csv", asked)
