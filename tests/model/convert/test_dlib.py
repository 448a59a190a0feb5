"""dlib's network: the file is read or refused, and the ONNX network matches dlib."""

import contextlib

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from facespace.errors import ModelError
from facespace.metric import squared_distances
from facespace.model import Engine, ModelFile
from facespace.model.convert import import_dlib, import_model
from facespace.model.convert.dlib_file import read_dlib_resnet
from facespace.model.convert.dlib_onnx import RADIUS, resnet_to_onnx


def obvious(layers, image):
    """The network by its definition, one image (3, h, w) in float64."""

    def windows(x, kernel, stride):
        return sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]

    def add(a, b):
        shape = np.maximum(a.shape, b.shape)
        total = np.zeros(shape)
        for part in (a, b):
            total[: part.shape[0], : part.shape[1], : part.shape[2]] += part
        return total

    x, kept, stem = image.astype(np.float64), None, True
    for kind, arrays in layers:
        if kind == "convolution":
            weights, bias, scale, shift, stride, padding = arrays
            padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
            x = np.einsum("chwij,fcij->fhw", windows(padded, weights.shape[-1], stride), weights.astype(np.float64))
            x = (x + bias[:, None, None]) * scale[:, None, None] + shift[:, None, None]
            if stem:
                x, stem = windows(np.maximum(x, 0), 3, 2).max(axis=(3, 4)), False
        elif kind == "in":
            kept = x
        elif kind == "relu":
            x = np.maximum(x, 0)
        elif kind == "out":
            x = np.maximum(add(x, windows(kept, 2, 2).mean(axis=(3, 4)) if arrays[0] else kept), 0)
        else:
            x = x.mean(axis=(1, 2)) @ arrays[0].astype(np.float64)
    return x


def lifted(points):
    """Lift onto the sphere of radius 2, in one more dimension; points outside it keep their direction."""
    height = np.sqrt(np.maximum(4 - (points**2).sum(axis=1, keepdims=True), 0))
    return np.concatenate([points, height], axis=1) / 2


def run(onnx, images):
    return ort.InferenceSession(onnx, providers=["CPUExecutionProvider"]).run(None, {"faces": images})[0]


def test_the_onnx_network_matches_the_definition(dlib_resnet):
    data, layers = dlib_resnet
    images = np.random.default_rng(1).normal(0, 0.3, (2, 3, 150, 150)).astype(np.float32)
    expected = lifted(np.stack([obvious(layers, image) for image in images]))
    found = run(resnet_to_onnx(read_dlib_resnet(data, "here")), images)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_reader_returns_what_was_written(dlib_resnet):
    data, layers = dlib_resnet
    network = read_dlib_resnet(data, "here")
    written = [arrays for kind, arrays in layers if kind == "convolution"]
    read = [network.stem, *(layer for block in network.blocks for layer in (block.first, block.second))]
    assert len(read) == len(written) == 29
    for layer, (weights, bias, scale, shift, stride, padding) in zip(read, written, strict=True):
        np.testing.assert_array_equal(layer.weights, weights)
        np.testing.assert_array_equal(layer.bias, bias)
        np.testing.assert_array_equal(layer.scale, scale)
        np.testing.assert_array_equal(layer.shift, shift)
        assert (layer.stride, layer.padding) == (stride, padding)
    assert network.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-4)


@settings(max_examples=200, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_file_truncated_anywhere_is_refused(dlib_resnet, cut):
    data, _ = dlib_resnet
    with pytest.raises(ModelError, match="is not dlib's face recognition network, or is damaged"):
        read_dlib_resnet(data[: int(cut * len(data))], "cut.dat")


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(dlib_resnet, changes):
    damaged = bytearray(dlib_resnet[0])
    for at, byte in changes:
        damaged[int(at * len(damaged))] = byte
    with contextlib.suppress(ModelError):
        resnet_to_onnx(read_dlib_resnet(bytes(damaged), "damaged.dat"))


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 64, b"GIF89a" + bytes(64), b"\x01\x01\x01\x0dloss_metric_9"])
def test_other_content_is_refused_with_what_was_expected(data):
    with pytest.raises(ModelError, match="was expected|ends too early"):
        read_dlib_resnet(data, "other.dat")


def test_a_tensor_larger_than_the_file_allocates_no_memory(dlib_resnet):
    data, _ = dlib_resnet
    at = data.index(b"\x05con_4") + 6
    # 2 (version), then a first size of 2^40.
    with pytest.raises(ModelError, match="larger than the file"):
        read_dlib_resnet(data[:at] + b"\x01\x02\x06\x00\x00\x00\x00\x00\x01" + data[at + 4 :], "greedy.dat")


def test_bytes_after_the_network_are_refused(dlib_resnet):
    with pytest.raises(ModelError, match="the file should end"):
        read_dlib_resnet(dlib_resnet[0] + b"\x01\x01", "long.dat")


def test_unknown_weights_get_a_card_without_thresholds(dlib_resnet, tmp_path):
    (tmp_path / "mine.dat").write_bytes(dlib_resnet[0])
    card = import_model(tmp_path / "mine.dat", tmp_path / "mine.onnx").card
    assert (card.name, card.licence, card.decisions, card.normalised) == ("mine", "unknown", None, False)
    assert (card.detector, card.crop, card.dimension, card.input.width) == ("one-shot", "dlib-150", 7, 150)
    assert card.input.mean == (122.782, 117.001, 104.298)


def test_the_published_network_matches_dlibs_embeddings_and_has_a_measured_card(dlib_dat, shared_data):
    dlib = pytest.importorskip("dlib", reason="dlib is not installed: pip install dlib-bin")
    onnx, card = import_dlib(dlib_dat.read_bytes(), str(dlib_dat))
    assert card.licence == "CC0-1.0"
    assert card.decisions is not None
    chips = _faces(shared_data / "val.zip", 12)
    network = dlib.face_recognition_model_v1(str(dlib_dat))
    expected = np.array([network.compute_face_descriptor(chip) for chip in chips])
    found = Engine(ModelFile(dlib_dat, card, onnx), "cpu").embed(chips)
    assert np.abs(found[:, :-1] * RADIUS - expected).max() < 1e-5
    # Distances are a quarter of dlib's, because the radius is 2, and slightly more.
    distances, own = squared_distances(found, found) * 4, squared_distances(expected, expected)
    assert np.abs(distances - own).max() < 0.05
    assert np.corrcoef(distances.ravel(), own.ravel())[0, 1] > 0.999


def _faces(archive, count):
    import io
    import zipfile

    from PIL import Image

    with zipfile.ZipFile(archive) as opened:
        members = sorted(name for name in opened.namelist() if name.endswith(".webp"))
        chosen = members[:: len(members) // count][:count]
        return np.stack(
            [np.array(Image.open(io.BytesIO(opened.read(name))).convert("RGB").resize((150, 150))) for name in chosen]
        )
