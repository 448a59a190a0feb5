"""Models that ship with the package: found by name, checked by sha256, never downloaded."""

import json
import shutil

import pytest

from facespace.errors import ModelError
from facespace.faces.detector_file import shipped_detector
from facespace.model import list_models, read_model, ship, shipped_model, shipped_models
from facespace.model import shipped as shipped_module
from facespace.model.shipped import ship_detector
from facespace.space import load


@pytest.fixture
def folder(model_path, tmp_path):
    """A folder with two shipped models, `small` being the default."""
    folder = tmp_path / "models"
    ship(model_path, "other", folder=folder)
    ship(model_path, "small", folder=folder)
    return folder


@pytest.fixture
def package(folder, monkeypatch):
    """Make that folder the package's own."""
    for function in (shipped_module.shipped_models, shipped_module.shipped_model):
        monkeypatch.setattr(function, "__defaults__", (*(function.__defaults__ or ())[:-1], folder))
    monkeypatch.setattr(shipped_module, "SHIPPED", folder)
    return folder


def test_load_opens_the_default_or_any_shipped_model_by_name(package, model_path):
    assert load().id == load("other").id == read_model(model_path).card.space_id


def test_an_existing_file_takes_precedence_over_a_shipped_model(package, model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    renamed = read_model(model_path).card.model_copy(update={"name": "a file"})
    from facespace.model import write_model

    write_model(tmp_path / "small", read_model(model_path).onnx, renamed)
    assert load("small").card.name == "a file"


def test_the_default_is_listed_first(folder):
    assert list(shipped_models(folder)) == ["small", "other"]
    ship(folder / "other.onnx", "other", default=True, folder=folder)
    assert list(shipped_models(folder)) == ["other", "small"]
    ship(folder / "small.onnx", "third", default=False, folder=folder)
    assert next(iter(shipped_models(folder))) == "other"


@pytest.mark.parametrize("at", [10, -10])
def test_a_shipped_model_with_one_changed_byte_is_refused(folder, at):
    content = bytearray((folder / "small.onnx").read_bytes())
    content[at] ^= 1
    (folder / "small.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"is not the model that was shipped .*install facespace again"):
        shipped_model(folder=folder)
    assert shipped_model("other", folder=folder).is_file()


def test_without_shipped_models_load_says_how_to_get_one(tmp_path):
    assert shipped_models(tmp_path) == {}
    with pytest.raises(ModelError, match="ships no default model; train one"):
        shipped_model(folder=tmp_path)


def test_an_unknown_name_is_refused_with_the_known_ones(folder):
    with pytest.raises(ModelError, match="no shipped model is named 'large'; this version has other, small"):
        shipped_model("large", folder)


@pytest.mark.parametrize(
    "manifest",
    ["", "{}", '{"default": "x", "sha256": {}}', json.dumps({"default": "x", "sha256": {"x": "12"}}), "[1"],
)
def test_a_damaged_manifest_is_refused(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ModelError, match=r"manifest\.json is damaged"):
        shipped_models(tmp_path)


def test_a_missing_shipped_file_is_named(folder):
    (folder / "small.onnx").unlink()
    with pytest.raises(ModelError, match=r"cannot read the shipped model .*small\.onnx"):
        shipped_model(folder=folder)


def test_listing_shows_usable_models_and_why_others_fail(folder, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "b.onnx")
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    (folder / "other.onnx").write_bytes(b"exchanged")
    listed = list_models(tmp_path, folder)
    assert [each.name or each.path.name for each in listed] == ["small", "other", "a.onnx", "b.onnx"]
    assert [each.card is not None for each in listed] == [True, False, False, True]
    assert "not the model that was shipped" in listed[1].problem
    assert "a.onnx" in listed[2].problem
    with pytest.raises(ModelError, match="is not a folder"):
        list_models(tmp_path / "nowhere", folder)


def test_the_packages_own_shipped_models_are_intact():
    for name in shipped_models():
        assert read_model(shipped_model(name)).card.decisions is not None


def test_a_detector_is_shipped_beside_the_models_and_stays_there(folder, tmp_path):
    detector = shipped_detector()
    path = ship_detector(detector, folder)
    assert path == shipped_detector(folder)
    ship(folder / "other.onnx", "third", folder=folder)
    assert shipped_detector(folder) == path
    assert set(shipped_models(folder)) == {"small", "other", "third"}
    with pytest.raises(ModelError, match="no card of a detector"):
        ship_detector(folder / "other.onnx", folder)
    with pytest.raises(ModelError, match="has no model yet"):
        ship_detector(detector, tmp_path / "empty")
