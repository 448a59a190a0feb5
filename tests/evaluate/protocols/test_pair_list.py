"""Pairs in a CSV file."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.evaluate import protocols
from facespace.evaluate.photos import InMemoryPhotos

NOTHING = InMemoryPhotos({}, "nowhere")
CASES = Path(__file__).parents[4] / "shared" / "cases"


def read(tmp_path, text, **options):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    return protocols.pair_list(path, NOTHING, **options)


def test_people_are_the_components_of_same_person_pairs(tmp_path):
    asked = read(tmp_path, "a,b,same\np1,p2,1\np2,p3,yes\nq1,q2,1\np1,q1,0\nr1,r2,TRUE\ns1,s2,1\nr2,s1,no\n")
    person = dict(zip(asked.names, asked.labels, strict=True))
    assert person["p1"] == person["p2"] == person["p3"] != person["q1"] == person["q2"]
    assert person["r1"] != person["s1"]
    # p and q occur in a pair, and so do r and s: only two folds are possible.
    assert sorted(set(asked.verify.fold.tolist())) == [0, 1]
    fold = asked.verify.fold
    assert fold[0] == fold[1] == fold[2] == fold[3] != fold[4] == fold[5] == fold[6]


def test_folds_and_people_may_be_named(tmp_path):
    asked = read(
        tmp_path,
        "a,b,same,fold,person_a,person_b\np1,p2,1,7,Ada,Ada\np1,q1,0,7,Ada,Ben\nr1,r2,1,9,Cid,Cid\nr1,s1,0,9,Cid,Dan\n",
    )
    assert asked.people == ("Ada", "Ben", "Cid", "Dan")
    assert asked.verify.fold.tolist() == [0, 0, 1, 1]
    assert not asked.notes


def test_folds_of_unequal_size_give_a_note(tmp_path):
    asked = read(tmp_path, "a,b,same,fold\np1,p2,1,1\np1,q1,0,1\nq1,q2,1,1\nr1,r2,1,2\nr1,s1,0,2\n")
    assert "unequal sizes (same-person + different-person pairs: 1: 2 + 1, 2: 1 + 1)" in asked.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\np,q\n", "has no column same; it needs a, b, same"),
        ("a,b,same\n", "has no rows"),
        ("a,b,same\np,q\n", "line 2: expected 3 values"),
        ("a,b,same\np,,1\n", "line 2: the value for b is missing"),
        ("a,b,same\np,q,maybe\n", "line 2: same is 'maybe'; it must be 1 or 0"),
        ("a,b,same\np,q,1\nq,p,1\n", "line 3: this pair already occurs in .*line 2"),
        ("a,b,same\np,q,1\nq,r,1\np,r,0\n", "line 4: p and r are labelled as different people, but a chain"),
        ("a,b,same\np,q,1\np,r,0\nq,s,0\n", "cannot be split into two or more folds"),
        ("a,b,same,fold\np,q,1,x\np,r,0,1\n", "line 2: fold is 'x'"),
        ("a,b,same,fold\np,q,1,1\nq,r,0,2\n", "line 3: p is in fold 2 here and in fold 1 in .*line 2"),
        ("a,b,same,person_a,person_b\np,q,1,Ada,Ben\n", "line 2: same=1 contradicts Ada and Ben"),
        ("a,b,same,person_a,person_b\np,q,1,Ada,Ada\np,r,0,Ben,Cid\n", "contradicts|p belongs to Ben here and to Ada"),
    ],
)
def test_an_invalid_list_is_an_error_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_a_binary_file_is_a_clear_error(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(b"\x89PNG\r\n\x1a\n" * 10)
    with pytest.raises(DataError, match="is not a CSV file"):
        protocols.pair_list(tmp_path / "pairs.csv", NOTHING)


def folds_of(asked):
    """Return the fold of each pair by its photos, and the kinds of pairs in each fold."""
    pairs, fold = asked.verify.pairs, asked.verify.fold.tolist()
    names = [frozenset((asked.names[a], asked.names[b])) for a, b in zip(pairs.a, pairs.b, strict=True)]
    kinds = {}
    for number, same in zip(fold, pairs.same.tolist(), strict=True):
        kinds.setdefault(number, []).append(same)
    return dict(zip(names, fold, strict=True)), kinds


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_the_order_of_the_rows_changes_no_fold_and_every_fold_has_both_kinds(data, tmp_path_factory):
    same, different = data.draw(st.integers(2, 30)), data.draw(st.integers(2, 30))
    rows = [f"g{i}a,g{i}b,1" for i in range(same)] + [f"i{i}a,i{i}b,0" for i in range(different)]
    folder = tmp_path_factory.mktemp("pairs")
    found, kinds = folds_of(read(folder, "\n".join(["a,b,same", *rows])))
    again, _ = folds_of(read(folder, "\n".join(["a,b,same", *data.draw(st.permutations(rows))])))
    assert found == again
    assert len(kinds) == min(10, same, different)
    for kind in (True, False):
        counts = [own.count(kind) for own in kinds.values()]
        assert max(counts) - min(counts) <= 1


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no shared cases in {CASES}")
def test_the_shared_cases_are_split_equally_in_two_orders():
    one, other = (
        protocols.pair_list(CASES / f"pairs_{name}.csv", NOTHING) for name in ("alternating", "same_rows_sorted")
    )
    assert folds_of(one)[0] == folds_of(other)[0]


def test_too_few_pairs_of_one_kind_are_an_error_with_their_number(tmp_path):
    with pytest.raises(DataError, match="1 same-person and 3 different-person pairs"):
        read(tmp_path, "a,b,same\np,q,1\nr,s,0\nt,u,0\nv,w,0\n")
