"""File names as text, and back."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.images import path_of, printable, text_of


@given(name=st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_name_round_trips_through_text(name):
    path = os.fsdecode(name)
    text = text_of(path)
    text.encode("utf-8")
    assert path_of(text) == path
    assert os.fsencode(path_of(text)) == name


@given(a=st.binary(), b=st.binary())
def test_distinct_names_have_distinct_text(a, b):
    assert (text_of(os.fsdecode(a)) == text_of(os.fsdecode(b))) == (a == b)


@pytest.mark.parametrize("name", ["Zoë 王芳.jpg", "a b", r"C:\photos\me.jpg", "/tmp/x"])
def test_ordinary_names_are_unchanged(name):
    assert text_of(name) == path_of(name) == printable(name) == name


def test_invalid_utf8_and_text_that_looks_escaped_are_escaped():
    assert text_of(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert text_of(r"caf\xe9.jpg") == r"caf\x5cxe9.jpg"


def test_control_characters_do_not_reach_a_terminal():
    assert printable("a\x1b[31mb\nc\x9b\u202ed\udce9") == r"a\x1b[31mb\x0ac\x9b\u202ed\xe9"
    assert printable("a\nb\x07", keep="\n") == "a\nb\\x07"
