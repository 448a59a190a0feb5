"""Run the network with onnxruntime: batches, threads and execution providers."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.metric import normalise
from facespace.model.card import Card
from facespace.model.file import ModelFile
from facespace.model.providers import PROVIDERS, choose_provider, load_libraries, quiet, started
from facespace.processors import session_threads

# On a CPU, batches of more than 32 faces are no faster and need more memory.
BATCH = 32


class Embedder(Protocol):
    """What a space needs from an engine."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed faces (n, height, width, 3); returns (n, d), L2 norm 1."""
        ...

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Embed single faces from a stream; yields (d,)."""
        ...


class Engine:
    """A network ready to run. Threads may share it.

    Parameters
    ----------
    model : ModelFile
    provider : str or None
        'cpu', 'cuda', 'coreml' or 'openvino'; by default the first of cuda, coreml, openvino, cpu that this
        onnxruntime has.
    threads : int or None
        Threads per batch; None uses one for each core that this process may use.

    Raises
    ------
    ModelError
        The provider is not available, the network does not load, or it does not match its card.
    """

    def __init__(self, model: ModelFile, provider: str | None = None, threads: int | None = None):
        chosen = choose_provider(provider, ort.get_available_providers())
        load_libraries(chosen)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Threads that spin between two faces take a core from face detection: 44 ms of processor time per photo instead
        # of 22, measured with two threads on two cores with other load.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None and threads < 1:
            raise ModelError(f"threads must be at least 1, not {threads}")
        options.intra_op_num_threads = session_threads(threads)
        # The card determines the input. CPU is added as a fallback for operators that a provider lacks.
        names = list(dict.fromkeys([PROVIDERS[chosen], PROVIDERS["cpu"]]))
        try:
            with quiet(chosen, provider):
                self._session = ort.InferenceSession(model.onnx, options, providers=names)
        except Exception as error:  # onnxruntime's exceptions share no public parent
            raise ModelError(f"onnxruntime cannot load {model.path}: {error}") from None
        self.provider = started(chosen, provider, self._session.get_providers())
        self._card = model.card
        self._input = self._session.get_inputs()[0].name
        _check_signature(self._session, model)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed aligned faces.

        If the card says `mirror`, the network also runs on the mirror images, and the two outputs are added before they
        are normalised.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, height, width, 3), RGB, of the card's size

        Returns
        -------
        ndarray of float32, shape (n, d), L2 norm 1

        Raises
        ------
        ModelError
            The shape is not the card's, or the network returned values that are not finite.
        """
        try:
            return normalise(self._run(crops, self._card.mirror))
        except ValueError as error:
            raise ModelError(f"model {self._card.name!r} returned an invalid embedding: {error}") from None

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for these faces, before mirror images are averaged and norms become 1.

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
        return self._run(crops, mirror=False)

    def _run(self, crops: NDArray[np.uint8], mirror: bool) -> NDArray[np.float32]:
        card = self._card
        expected = (card.input.height, card.input.width, 3)
        if crops.ndim != 4 or crops.shape[1:] != expected or crops.dtype != np.uint8:
            raise ModelError(
                f"model {card.name!r} takes uint8 faces of shape (n, {expected[0]}, {expected[1]}, 3), "
                f"not {crops.dtype} {crops.shape}"
            )
        points = np.empty((len(crops), card.dimension), np.float32)
        step = BATCH // 2 if mirror else BATCH
        for start in range(0, len(crops), step):
            batch = prepare(crops[start : start + step], card)
            points[start : start + step] = self._with_mirror_images(batch) if mirror else self._outputs(batch)
        return points

    def _with_mirror_images(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        # In one batch, a face and its mirror image take a fifth less time than one after the other.
        both = self._outputs(np.concatenate([batch, batch[..., ::-1]]))
        return both[: len(batch)] + both[len(batch) :]

    def _outputs(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return found

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Embed single faces (height, width, 3) from a stream, a batch at a time, in bounded memory."""
        waiting: list[NDArray[np.uint8]] = []
        for crop in crops:
            waiting.append(crop)
            if len(waiting) == BATCH:
                yield from self.embed(np.stack(waiting))
                waiting.clear()
        if waiting:
            yield from self.embed(np.stack(waiting))


def prepare(crops: NDArray[np.uint8], card: Card) -> NDArray[np.float32]:
    """Convert pixels to the network's input, as the card says.

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
        raise ModelError(f"{model.path} is not an embedding network: (n, 3, height, width) to (n, dimension)")
    for what, says, has in (
        ("channels", 3, inputs[0].shape[1]),
        ("height", card.input.height, inputs[0].shape[2]),
        ("width", card.input.width, inputs[0].shape[3]),
        ("dimension", card.dimension, outputs[0].shape[1]),
    ):
        # A name instead of a number means that the axis is dynamic.
        if isinstance(has, int) and has != says:
            raise ModelError(f"{model.path} and its card disagree: {what} is {has} in the network, {says} in the card")
