"""Python values passed as photos: accepted, or refused with the argument, the type and what is accepted."""

import base64
import copy
import io
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facespace.errors import ImageError, ModelError
from facespace.images import as_photo
from facespace.space import load


class Tensor(SimpleNamespace):
    """Like torch's: it has a shape, and methods to detach and move it."""

    def detach(self):
        raise AssertionError("the advice is for the caller")

    cpu = detach


@pytest.fixture(scope="module")
def content(people):
    return (people / "s1" / "1.pgm").read_bytes()


def spent(content):
    stream = io.BytesIO(content)
    stream.read()
    return stream


WRONG = [
    pytest.param(lambda c: None, "b is None .*imread", id="None"),
    pytest.param(
        lambda c: Tensor(shape=(3, 9, 9)), r"b is of type .*Tensor with shape \(3, 9, 9\).*numpy", id="tensor"
    ),
    pytest.param(lambda c: [1, 2], "b is of type list", id="list"),
    pytest.param(lambda c: 7, "b is of type int; accepted are a path, bytes", id="int"),
    pytest.param(spent, r"b is an open file with nothing left to read.*seek\(0\)", id="spent"),
    pytest.param(lambda c: io.StringIO("text"), "opened as text.*'rb'", id="text file"),
    pytest.param(lambda c: b"", "b is empty", id="no bytes"),
    pytest.param(lambda c: "", "b is empty text", id="no text"),
    pytest.param(lambda c: b"no photo", "b is not an image", id="bytes"),
    pytest.param(lambda c: np.zeros((3, 9, 8), np.uint8), r"b is an array of uint8.*transpose\(1, 2, 0\)", id="planes"),
    pytest.param(lambda c: np.zeros((9, 9, 3)), "b is an array of float64.*0..255", id="floats"),
    pytest.param(lambda c: np.zeros((9, 9, 4), np.uint8), "drop the fourth channel", id="alpha"),
    pytest.param(lambda c: np.zeros((2, 9, 9, 3), np.uint8), "several photos", id="batch"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_an_invalid_photo_is_refused_by_argument_type_and_advice(space, content, make, message):
    with pytest.raises(ImageError, match=message):
        space.verify(content, make(content))
    with pytest.raises(ImageError, match=message.replace("b is", r"photos\[1\] is")):
        space.embed([content, make(content)])


@pytest.mark.parametrize("prefix", ["", "data:image/x-portable-graymap;base64,"])
def test_base64_text_is_named_and_never_echoed(space, content, prefix):
    text = prefix + base64.b64encode(content).decode()
    for way in (lambda: space.faces(text), lambda: space.verify(content, text), lambda: space.embed(text)):
        with pytest.raises(ImageError, match="looks like an encoded photo.*b64decode") as refused:
            way()
        assert text[40:80] not in str(refused.value)


@pytest.mark.parametrize("kind", [bytearray, memoryview, io.BytesIO])
def test_bytes_like_objects_are_accepted(space, content, kind):
    np.testing.assert_allclose(space.embed(kind(content)), space.embed(content), atol=1e-6)


def test_a_stream_without_seek_is_read_completely(content):
    class Pipe:
        def __init__(self):
            self._left = io.BytesIO(content)

        def read(self, size=-1):
            return self._left.read(size)

        def seekable(self):
            return False

    assert as_photo(Pipe()).read() == content
    photo = as_photo(Pipe())
    assert photo.read(1) + photo.read(10) + photo.read() == content


def test_colour_bgr_affects_arrays_but_not_files(model_path, people, tmp_path):
    rng = np.random.default_rng(0)
    grey = np.asarray(Image.open(people / "s1" / "1.pgm")).astype(np.int16)
    rgb = np.clip(grey[..., None] + rng.integers(-60, 60, (1, 1, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "colour.png")
    plain, opencv = load(model_path, provider="cpu"), load(model_path, provider="cpu", colour="BGR")
    expected = plain.embed(rgb)
    np.testing.assert_allclose(opencv.embed(rgb[..., ::-1]), expected, atol=1e-6)
    np.testing.assert_allclose(opencv.embed(tmp_path / "colour.png"), expected, atol=1e-6)
    assert np.abs(plain.embed(rgb[..., ::-1]) - expected).max() > 1e-4
    with pytest.raises(ModelError, match="colour must be 'RGB' or 'BGR', not 'bgr'"):
        load(model_path, colour="bgr")


def test_a_space_can_be_pickled_and_copied(model_path, content):
    space = load(model_path, provider="cpu", colour="BGR")
    for again in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert (again.id, again.finder.colour) == (space.id, "BGR")
        np.testing.assert_array_equal(again.embed(content), space.embed(content))


def test_unpickling_a_space_fails_if_its_model_changed(model_path, tmp_path):
    from facespace.model import read_model, write_model

    read = read_model(model_path)
    write_model(tmp_path / "model.onnx", read.onnx, read.card)
    kept = pickle.dumps(load(tmp_path / "model.onnx", provider="cpu"))
    card = read.card.model_copy(update={"crop": "tight-crop"})
    write_model(tmp_path / "model.onnx", read.onnx, card)
    with pytest.raises(ModelError, match="has changed since"):
        pickle.loads(kept)
