"""LFW's files: their meaning, and error messages for malformed ones."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import protocols
from facespace.evaluate.photos import InMemoryPhotos

NOTHING = InMemoryPhotos({}, "nowhere")

SMALL = """2\t2
Ada\t1\t2
Ben\t2\t3
Ada\t1\tBen\t1
Cid\t1\tBen\t2
Dan\t1\t2
Eve\t1\t4
Dan\t1\tFay\t1
Eve\t1\tFay\t10
"""


def read(tmp_path, text, name="pairs.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return protocols.lfw(path, NOTHING)


def test_view_2_is_read_correctly(tmp_path):
    asked = read(tmp_path, SMALL)
    pairs, fold = asked.verify.pairs, asked.verify.fold
    named = [(asked.names[a], asked.names[b]) for a, b in zip(pairs.a, pairs.b, strict=True)]
    assert named[1] == ("Ben/Ben_0002.jpg", "Ben/Ben_0003.jpg")
    assert named[7] == ("Eve/Eve_0001.jpg", "Fay/Fay_0010.jpg")
    assert pairs.same.tolist() == [True, True, False, False] * 2
    assert fold.tolist() == [0] * 4 + [1] * 4
    assert asked.central
    assert all(
        asked.people[label] == name.partition("/")[0] for name, label in zip(asked.names, asked.labels, strict=True)
    )
    assert not asked.notes


def test_the_real_view_2_has_6000_pairs_of_7701_photos(shared_data):
    asked = protocols.lfw(shared_data / "pairs.txt", NOTHING)
    assert len(asked.verify.pairs) == 6000
    assert len(asked.names) == 7701
    assert np.bincount(asked.verify.fold).tolist() == [600] * 10
    assert "10 folds of 300 same-person and 300 different-person pairs, 7,701 photos of 4,281 people" in asked.words


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", r"pairs\.txt, line 1: expected the number of folds"),
        (lambda t: t.replace("2\t2\n", "two\t2\n"), "line 1: expected the number"),
        (lambda t: t.replace("Ben\t2\t3", "Ben\t2"), r"line 3: expected 'NAME i j', but found 'Ben 2'"),
        (lambda t: t.replace("Ada\t1\tBen\t1", "Ada\t1\t3"), "line 4: expected 'NAME i OTHER j', but found 'Ada 1 3'"),
        (lambda t: t.replace("Ben\t2\t3", "Ben\ttwo\t3"), "line 3: .*'two' and '3' must be numbers"),
        (lambda t: t.replace("Ada\t1\tBen\t1", "Ada\t1\tAda\t3"), "line 4: expected a different-person pair"),
        (lambda t: t.replace("Ben\t2\t3", "Ben\t2\t2"), "line 3: .*is paired with itself"),
        (lambda t: t.replace("Cid\t1\tBen\t2", "Ben\t1\tAda\t1"), "line 5: this pair already occurs in .*line 4"),
        (lambda t: t.rstrip().rpartition("\n")[0], "announces 2 folds of 2 \\+ 2 pairs, 8 in total, but contains 7"),
        (lambda t: t.replace("Dan\t1\tFay\t1", "Ada\t1\tFay\t1"), "line 8: Ada is in fold 2 here and in fold 1 in"),
        (lambda t: "1\t4\n" + t.partition("\n")[2], "expected 'NAME i j', but found"),
    ],
)  # fmt: skip
def test_a_malformed_list_is_an_error_with_its_line(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, change(SMALL))


def test_a_missing_list_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="cannot read the pairs .*absent"):
        protocols.lfw(tmp_path / "absent.txt", NOTHING)


def test_view_1_chooses_on_one_list_and_tests_on_the_other(tmp_path):
    train, test = tmp_path / "pairsDevTrain.txt", tmp_path / "pairsDevTest.txt"
    train.write_text("2\nAda\t1\t2\nBen\t2\t3\nAda\t1\tBen\t1\nCid\t1\tBen\t2\n")
    test.write_text("1\nDan\t1\t2\nDan\t1\tFay\t1\n")
    asked = protocols.lfw_dev(train, test, NOTHING)
    assert asked.verify.fold.tolist() == [protocols.TRAINING] * 4 + [0] * 2
    test.write_text("1\nDan\t1\t2\nDan\t1\tAda\t1\n")
    with pytest.raises(DataError, match="Ada is in fold 1 here and in fold training"):
        protocols.lfw_dev(train, test, NOTHING)
    test.write_text("3\nDan\t1\t2\n")
    with pytest.raises(DataError, match=r"announces 3 \+ 3 pairs, but contains 1"):
        protocols.lfw_dev(train, test, NOTHING)
