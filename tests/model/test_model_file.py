"""The model file: cards round-trip, and damaged or mismatched files are rejected."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facespace.errors import ModelError, NoFaceError
from facespace.model import read_model, weights_sha256, with_card, write_model
from facespace.space import load


def test_the_card_round_trips(model_path, tmp_path):
    model = read_model(model_path)
    renamed = model.card.model_copy(update={"name": "Gesichter 顔"})
    write_model(tmp_path / "copy.onnx", model.onnx, renamed)
    assert read_model(tmp_path / "copy.onnx").card == renamed


def test_the_onnx_library_reads_the_card_too_and_finds_the_file_valid(model_path):
    model = onnx.load(model_path)
    onnx.checker.check_model(model)
    assert [entry.key for entry in model.metadata_props] == ["facespace.card"]


def test_a_new_card_does_not_change_the_weights_and_their_hash(model_path):
    model = read_model(model_path)
    changed = with_card(model.onnx, model.card.model_copy(update={"version": "2"}))
    assert changed != model.onnx
    assert weights_sha256(changed) == model.card.weights_sha256
    again, before = onnx.load_from_string(changed), onnx.load_from_string(model.onnx)
    assert again.graph == before.graph


def test_the_file_has_no_trace_of_the_machine_it_was_made_on(model_path):
    content = model_path.read_bytes()
    assert b"/facespace/" not in content
    assert b"site-packages" not in content


def test_a_file_without_a_card_is_refused_with_a_card_to_fill_in(model_path, tmp_path):
    bare = onnx.load(model_path)
    del bare.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(bare, path)
    with pytest.raises(ModelError) as refused:
        read_model(path)
    message = str(refused.value)
    # The example is a valid card: written unchanged, except for the sizes, it is accepted.
    shown = message[message.index("format = 1") : message.index("Then measure")]
    (tmp_path / "foreign.toml").write_text(
        shown.replace("width = 112", "width = 40").replace("height = 112", "height = 48")
    )
    assert load(path).dimension == 128


def test_a_card_of_another_size_than_the_network_is_refused(model_path, tmp_path):
    model = read_model(model_path)
    wrong = model.card.model_copy(update={"input": model.card.input.model_copy(update={"width": 41})})
    write_model(tmp_path / "wrong.onnx", model.onnx, wrong)
    with pytest.raises(ModelError, match="width is 40 in the network, 41 in the card"):
        load(tmp_path / "wrong.onnx")


def test_changed_weights_are_detected(model_path, tmp_path):
    content = bytearray(model_path.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="are not those its card was written for"):
        read_model(tmp_path / "changed.onnx")


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(ModelError, match=r"cannot read the model file .*absent\.onnx: No such file"):
        load(tmp_path / "absent.onnx")


def test_load_without_a_name_opens_the_shipped_model():
    space = load()
    assert space.card.name == "mobile-int8"
    assert space.card.mirror
    assert space.card.detector == "one-shot"
    assert space.card.require_decisions().people == 440
    assert space.card.dimension == 128
    with pytest.raises(NoFaceError, match="no face found"):
        space.embed([np.zeros((112, 112, 3), np.uint8)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.floats(0, 0.999))
def test_a_truncated_file_is_refused(model_path, tmp_path, keep):
    content = model_path.read_bytes()
    path = tmp_path / "short.onnx"
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ModelError):
        read_model(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_model_error(tmp_path, content):
    path = tmp_path / "noise.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_model(path)


def test_a_failed_write_leaves_the_old_file_intact(model_path, tmp_path):
    model = read_model(model_path)
    target = tmp_path / "no" / "such" / "folder" / "model.onnx"
    with pytest.raises(ModelError, match="cannot write the model file"):
        write_model(target, model.onnx, model.card)
