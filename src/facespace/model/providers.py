"""Execution providers of onnxruntime: choose one, load its libraries, and check that it started."""

import contextlib
import io
from collections.abc import Iterator

import onnxruntime as ort

from facespace.errors import ModelError
from facespace.validation import nearest_name

# In order of preference.
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}

# onnxruntime's default severity of messages.
_WARNING = 2

GPU_PACKAGE = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"


def choose_provider(wanted: str | None, available: list[str]) -> str:
    """Return the short name of the provider to use.

    Parameters
    ----------
    wanted : str or None
        None selects the first available one in the order of `PROVIDERS`.
    available : list of str
        From `onnxruntime.get_available_providers`.

    Raises
    ------
    ModelError
        The requested provider is unknown, or the installed onnxruntime was built without it.
    """
    present = [name for name, full in PROVIDERS.items() if full in available]
    if wanted is None:
        return present[0]
    if wanted not in PROVIDERS:
        raise ModelError(f"unknown execution provider {wanted!r}{nearest_name(wanted, list(PROVIDERS))}")
    if wanted not in present:
        how = GPU_PACKAGE if wanted == "cuda" else f"install a build of onnxruntime that has {PROVIDERS[wanted]}"
        raise ModelError(
            f"the installed onnxruntime has no execution provider {wanted!r}, only {', '.join(present)}; fix: {how}"
        )
    return wanted


def load_libraries(provider: str) -> None:
    """Load the CUDA libraries that were installed with pip; without this, onnxruntime does not find them."""
    if provider == "cuda" and hasattr(ort, "preload_dlls"):
        # It prints to stdout what it cannot load, and then searches the system's libraries.
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()


@contextlib.contextmanager
def quiet(chosen: str, wanted: str | None) -> Iterator[None]:
    """Hide onnxruntime's messages about a provider that the user did not request and that does not start."""
    if wanted is not None or chosen == "cpu":
        yield
        return
    ort.set_default_logger_severity(4)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_WARNING)


def started(chosen: str, wanted: str | None, used: list[str]) -> str:
    """Return the short name of the provider that a session uses.

    onnxruntime lists CUDA as available if it was built with it. If the GPU or its libraries are missing, a session
    falls back to the CPU without an error.

    Parameters
    ----------
    chosen : str
        From `choose_provider`.
    wanted : str or None
        The provider requested by the user, if any.
    used : list of str
        From `InferenceSession.get_providers`.

    Raises
    ------
    ModelError
        The user requested a provider that did not start.
    """
    if PROVIDERS[chosen] in used:
        return chosen
    if wanted is None:
        return "cpu"
    hint = f"the driver (nvidia-smi) and the CUDA libraries: {GPU_PACKAGE}" if chosen == "cuda" else "its libraries"
    raise ModelError(f"the execution provider {wanted!r} could not start; check {hint}")
