"""The precision of training: bfloat16 if the device supports it natively, else float32."""

from pathlib import Path
from typing import Literal

import torch

from facespace.train.engine.distributed import Workers

Precision = Literal["fp32", "bf16"]

# CPU flags for bfloat16 multiplication: AVX-512 and AMX on x86, and the ARM extension.
_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_TITLES = {"flags", "features"}
_PROCESSORS = Path("/proc/cpuinfo")


def precision_for(wanted: str, workers: Workers) -> Precision:
    """Return the precision of a run: the recipe's; for 'auto', bfloat16 if every process's device supports it."""
    if wanted == "auto":
        return "bf16" if workers.all_agree(has_bf16(workers.device)) else "fp32"
    return "bf16" if wanted == "bf16" else "fp32"


def precision_warning(wanted: str, device: torch.device) -> str | None:
    """Return a warning if the requested precision will be slow on this device, else None."""
    if wanted != "bf16" or has_bf16(device):
        return None
    return (
        f'precision is "bf16", but this {"processor" if device.type == "cpu" else "device"} has no bfloat16 '
        'arithmetic, so a step takes several times as long as in float32; set precision = "auto" or "fp32"'
    )


def has_bf16(device: torch.device, processors: Path = _PROCESSORS) -> bool:
    """Return whether a device has native bfloat16 matrix multiplication.

    Parameters
    ----------
    device : torch.device
    processors : path
        The system's list of processors, /proc/cpuinfo.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    try:
        lines = processors.read_text("utf-8", "replace").splitlines()
    except OSError:
        # macOS and Windows have no such file; ask torch.
        found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(bool(value) for name, value in found.items() if name.endswith("bf16"))
    flags = [line.partition(":")[2].split() for line in lines if line.split(":")[0].strip().lower() in _TITLES]
    return bool(flags) and all(_FLAGS & set(found) for found in flags)
