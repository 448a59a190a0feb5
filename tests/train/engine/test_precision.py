"""Precision: bfloat16 if the device supports it, and a warning if it is requested without support."""

import pytest
import torch

from facespace.train.engine import precision
from facespace.train.engine.distributed import Workers
from facespace.train.engine.precision import has_bf16, precision_for, precision_warning

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (
            "processor : 0\nflags\t\t: avx512f avx512_bf16 amx_bf16\n\nprocessor : 1\nflags : fpu avx512_bf16\n",
            True,
        ),
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512vl\n", False),
        # Every processor must support it, because a thread may run on any.
        ("flags : avx512_bf16\nflags : avx2\n", False),
        ("processor : 0\nFeatures : fp asimd bf16 i8mm\n", True),
        ("processor : 0\nFeatures : fp asimd\n", False),
        ("model name : bf16 by name only\n", False),
    ],
)
def test_a_processor_has_what_its_flags_say(tmp_path, text, has):
    (tmp_path / "cpuinfo").write_text(text)
    assert has_bf16(CPU, tmp_path / "cpuinfo") is has


def test_torch_is_asked_without_processor_flags(tmp_path):
    assert has_bf16(CPU, tmp_path / "absent") in {True, False}


@pytest.mark.parametrize(("wanted", "native", "used"), [
    ("auto", True, "bf16"), ("auto", False, "fp32"), ("bf16", False, "bf16"), ("fp32", True, "fp32"),
])  # fmt: skip
def test_auto_is_bfloat16_only_where_it_is_native(monkeypatch, wanted, native, used):
    monkeypatch.setattr(precision, "has_bf16", lambda device: native)
    assert precision_for(wanted, Workers("cpu")) == used


def test_slow_bfloat16_gives_a_warning(monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert "no bfloat16 arithmetic" in precision_warning("bf16", CPU)
    assert precision_warning("auto", CPU) is None
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    assert precision_warning("bf16", CPU) is None
