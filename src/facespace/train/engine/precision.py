"""Whether the network is trained in bfloat16: where the device computes in it natively."""

from pathlib import Path
from typing import Literal

import torch

from facespace.train.engine.distributed import Workers

Precision = Literal["fp32", "bf16"]

# Flags of processors that multiply in bfloat16: AVX-512 and AMX of x86, the extension of ARM.
_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_TITLES = {"flags", "features"}
_PROCESSORS = Path("/proc/cpuinfo")


def precision_for(wanted: str, workers: Workers) -> Precision:
    """The precision of a run: as the recipe wants it; for 'auto' bfloat16 where every process's device has it."""
    if wanted == "auto":
        return "bf16" if workers.all_agree(has_bf16(workers.device)) else "fp32"
    return "bf16" if wanted == "bf16" else "fp32"


def slowness(wanted: str, device: torch.device) -> str | None:
    """Why what the recipe asks for will be slow on this device, in words; None where it will not."""
    if wanted != "bf16" or has_bf16(device):
        return None
    return (
        f'precision = "bf16", but this {"processor" if device.type == "cpu" else "device"} has no bfloat16 '
        'arithmetic: a step takes several times as long as in float32; set precision = "auto" or "fp32"'
    )


def has_bf16(device: torch.device, processors: Path = _PROCESSORS) -> bool:
    """Whether a device multiplies matrices in bfloat16 by instructions of its own.

    Parameters
    ----------
    device : torch.device
    processors : path
        The system's description of its processors.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    try:
        lines = processors.read_text("utf-8", "replace").splitlines()
    except OSError:
        # No such file on macOS and Windows: what torch itself found.
        found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(bool(value) for name, value in found.items() if name.endswith("bf16"))
    flags = [line.partition(":")[2].split() for line in lines if line.split(":")[0].strip().lower() in _TITLES]
    return bool(flags) and all(_FLAGS & set(found) for found in flags)
