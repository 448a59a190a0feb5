"""Execution providers: choice, errors, and the fallback to the CPU."""

import pytest

from facespace.errors import ModelError
from facespace.model.providers import choose_provider, started
from facespace.space import load


def test_the_best_available_provider_is_the_default():
    available = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
    assert choose_provider(None, available) == "openvino"
    assert choose_provider("cpu", available) == "cpu"


def test_an_unknown_provider_or_one_that_is_not_installed_is_a_clear_error(model_path):
    with pytest.raises(ModelError, match=r"no execution provider 'cuda', only cpu.*pip install 'onnxruntime-gpu"):
        load(model_path, provider="cuda")
    with pytest.raises(ModelError, match="unknown execution provider 'cudaa'; did you mean 'cuda'"):
        load(model_path, provider="cudaa")


def test_a_provider_that_did_not_start_is_an_error_only_if_it_was_requested():
    both, cpu = ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]
    assert started("cuda", "cuda", both) == "cuda"
    assert started("cuda", None, cpu) == "cpu"
    with pytest.raises(ModelError, match="'cuda' could not start; check the driver"):
        started("cuda", "cuda", cpu)
