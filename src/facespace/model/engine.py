"""Running the network: onnxruntime, batches, execution providers."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.metric import normalise
from facespace.model.card import Card
from facespace.model.file import ModelFile
from facespace.processors import session_threads
from facespace.validation import nearest_name

# In order of preference where the user does not choose.
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}

# Beyond 32 faces a batch gains nothing on a CPU and only takes memory.
BATCH = 32


class Embedder(Protocol):
    """What a space needs of an engine."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Points (n, d), L2 norm 1, of faces (n, height, width, 3)."""
        ...

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Points (d,) of single faces as they come."""
        ...


class Engine:
    """A network ready to run. Safe to share between threads.

    Parameters
    ----------
    model : ModelFile
    provider : str or None
        'cpu', 'cuda', 'coreml' or 'openvino'; by default the first of cuda, coreml, openvino, cpu that this
        onnxruntime has.
    threads : int or None
        Threads for one batch; by default one for each core that this process may use.

    Raises
    ------
    ModelError
        The provider is absent, the network does not load, or it is not what its card says.
    """

    def __init__(self, model: ModelFile, provider: str | None = None, threads: int | None = None):
        self.provider = choose_provider(provider, ort.get_available_providers())
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait actively between two faces take a core from what finds the next: 44 ms of the processor a
        # photo instead of 22, measured with two threads on two cores that had other work besides.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None and threads < 1:
            raise ModelError(f"threads must be at least 1, not {threads}")
        options.intra_op_num_threads = session_threads(threads)
        # The card decides what the network is given; CPU stands behind each provider for operators it lacks.
        names = list(dict.fromkeys([PROVIDERS[self.provider], PROVIDERS["cpu"]]))
        try:
            self._session = ort.InferenceSession(model.onnx, options, providers=names)
        except Exception as error:  # onnxruntime's exceptions share no public parent
            raise ModelError(f"onnxruntime cannot load {model.path}: {error}") from None
        self._card = model.card
        self._input = self._session.get_inputs()[0].name
        _check_signature(self._session, model)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed faces that are cut out already.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, height, width, 3), RGB, of the card's size

        Returns
        -------
        ndarray of float32, shape (n, d), L2 norm 1

        Raises
        ------
        ModelError
            The shape is not the card's, or the network gave values that are not finite.
        """
        try:
            return normalise(self.run(crops))
        except ValueError as error:
            raise ModelError(f"model {self._card.name!r} gave a point that is no point: {error}") from None

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network itself gives, before it is normalised.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, height, width, 3), RGB, of the card's size

        Returns
        -------
        ndarray of float32, shape (n, d)

        Raises
        ------
        ModelError
            The shape is not the card's.
        """
        card = self._card
        expected = (card.input.height, card.input.width, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ModelError(
                f"model {card.name!r} takes uint8 faces of shape (n, {expected[0]}, {expected[1]}, 3), "
                f"not {crops.dtype} {crops.shape}"
            )
        points = np.empty((len(crops), card.dimension), np.float32)
        for start in range(0, len(crops), BATCH):
            batch = prepare(crops[start : start + BATCH], card)
            points[start : start + BATCH] = self._session.run(None, {self._input: batch})[0]
        return points

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Embed single faces (height, width, 3) as they come, a batch at a time: memory stays bounded."""
        waiting: list[NDArray[np.uint8]] = []
        for crop in crops:
            waiting.append(crop)
            if len(waiting) == BATCH:
                yield from self.embed(np.stack(waiting))
                waiting.clear()
        if waiting:
            yield from self.embed(np.stack(waiting))


def choose_provider(wanted: str | None, available: list[str]) -> str:
    """The short name of the provider to use; ModelError where the wanted one is unknown or absent."""
    present = [name for name, full in PROVIDERS.items() if full in available]
    if wanted is None:
        return present[0]
    if wanted not in PROVIDERS:
        raise ModelError(f"unknown execution provider {wanted!r}{nearest_name(wanted, list(PROVIDERS))}")
    if wanted not in present:
        raise ModelError(
            f"execution provider {wanted!r} is not in this onnxruntime, which has {', '.join(present)}; "
            f"install the onnxruntime build that carries {PROVIDERS[wanted]}"
        )
    return wanted


def prepare(crops: NDArray[np.uint8], card: Card) -> NDArray[np.float32]:
    """Pixels to the network's input, as the card says.

    Parameters
    ----------
    crops : ndarray of uint8, shape (n, h, w, 3), RGB

    Returns
    -------
    ndarray of float32, shape (n, 3, h, w), contiguous
    """
    channels = crops if card.input.colour == "RGB" else crops[..., ::-1]
    mean, std = np.asarray(card.input.mean, np.float32), np.asarray(card.input.std, np.float32)
    return np.ascontiguousarray(((channels - mean) / std).transpose(0, 3, 1, 2))


def _check_signature(session: ort.InferenceSession, model: ModelFile) -> None:
    card, inputs, outputs = model.card, session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 2:
        raise ModelError(f"{model.path} is no embedding network: it must map (n, 3, height, width) to (n, dimension)")
    for what, says, has in (
        ("channels", 3, inputs[0].shape[1]),
        ("height", card.input.height, inputs[0].shape[2]),
        ("width", card.input.width, inputs[0].shape[3]),
        ("dimension", card.dimension, outputs[0].shape[1]),
    ):
        # A name in place of a number is an axis left open.
        if isinstance(has, int) and has != says:
            raise ModelError(f"{model.path} and its card disagree: {what} is {has} in the network, {says} in the card")
