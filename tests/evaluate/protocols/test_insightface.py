"""The .bin format, read without unpickling."""

import contextlib
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.evaluate import protocols


def write(tmp_path, value, protocol=2):
    path = tmp_path / "set.bin"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def photos(pairs):
    """Two photos per pair, all different; every second pair is of one person."""
    return [f"photo {at}".encode() + bytes(300 * (at % 2)) for at in range(2 * pairs)], [
        at % 2 == 0 for at in range(pairs)
    ]


@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_protocol_that_holds_bytes_is_read(tmp_path, protocol):
    written, same = photos(40)
    asked = protocols.insightface_bin(write(tmp_path, (written, same), protocol))
    pairs = asked.verify.pairs
    assert [asked.photos.read(asked.names[index]) for index in pairs.a] == written[::2]
    assert [asked.photos.read(asked.names[index]) for index in pairs.b] == written[1::2]
    assert pairs.same.tolist() == same
    assert asked.verify.fold.tolist() == [at // 4 for at in range(40)]
    assert not asked.notes


def test_what_python_2_wrote_is_read(tmp_path):
    # Protocol 2 as written by Python 2: bytes as SHORT_BINSTRING and BINSTRING, booleans as today.
    def string(content):
        return (
            b"U" + bytes([len(content)]) + content
            if len(content) < 256
            else b"T" + len(content).to_bytes(4, "little") + content
        )

    written, same = photos(20)
    listed = b"](" + b"".join(map(string, written)) + b"e"
    truths = b"](" + b"".join(b"\x88" if truth else b"\x89" for truth in same) + b"e"
    (tmp_path / "set.bin").write_bytes(b"\x80\x02" + listed + truths + b"\x86.")
    asked = protocols.insightface_bin(tmp_path / "set.bin")
    assert [asked.photos.read(asked.names[index]) for index in asked.verify.pairs.a] == written[::2]


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_with_code_is_rejected_and_not_run(tmp_path, protocol):
    left = tmp_path / "left"
    path = write(tmp_path, ([Trap(left), b""], [True]), protocol)
    with pytest.raises(DataError, match="not run|not a verification set"):
        protocols.insightface_bin(path)
    assert not left.exists()
    pickle.loads(path.read_bytes())[0][0].close()
    assert left.exists(), "the trap is one"


@settings(deadline=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_or_read_and_never_crash(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bin") / "set.bin"
    path.write_bytes(content)
    with pytest.raises(DataError):
        protocols.insightface_bin(path)


@settings(deadline=None)
@given(cut=st.integers(0, 400), flip=st.integers(0, 399))
def test_a_damaged_file_is_refused_or_read_and_never_crashes(tmp_path_factory, cut, flip):
    content = bytearray(pickle.dumps(photos(3), protocol=2))
    content[flip % len(content)] ^= 0x41
    path = tmp_path_factory.mktemp("bin") / "set.bin"
    path.write_bytes(bytes(content[: max(1, len(content) - cut)]))
    with contextlib.suppress(DataError):
        protocols.insightface_bin(path, folds=2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (([b"a"], [True]), "1 photos for 1 pairs"),
        ({"a": 1}, "not run|not a verification set"),
        (([b"a", "b"], [True]), "as bytes"),
        (([b"a", b"b"], [b"c"]), "the second list must say"),
        ([b"a"], "it must contain a list of photos and one of labels"),
    ],
)
def test_other_pickles_are_clear_errors(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        protocols.insightface_bin(write(tmp_path, value))


def test_invalid_pairs_are_left_out_with_a_note(tmp_path):
    # a b same, c d different, a b repeated, a with itself, b and a labelled as different, and e f same.
    written = [b"a", b"b", b"c", b"d", b"a", b"b", b"a", b"a", b"b", b"a", b"e", b"f"]
    asked = protocols.insightface_bin(write(tmp_path, (written, [True, False, True, False, False, True])), folds=2)
    assert len(asked.verify.pairs) == 3
    assert any("3 pairs are duplicates or pair a photo with itself" in note for note in asked.notes)


def test_people_in_several_folds_give_a_note(tmp_path):
    written = [b"a", b"b", b"a", b"c", b"b", b"d", b"e", b"f"]
    asked = protocols.insightface_bin(write(tmp_path, (written, [True, False, False, True])), folds=2)
    assert any("people are in several folds" in note for note in asked.notes)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        protocols.insightface_bin(tmp_path / "absent.bin")
