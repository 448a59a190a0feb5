"""Import networks made elsewhere, ONNX or dlib, as model files with a card."""

import hashlib
import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from facespace.errors import ModelError
from facespace.faces import DEFAULT_DETECTOR
from facespace.model import Card, ModelFile, check_model, read_model, weights_sha256, write_model
from facespace.model.convert.dlib_file import ResNet, read_dlib_resnet
from facespace.model.convert.dlib_onnx import resnet_to_onnx
from facespace.model.convert.foreign import open_batch
from facespace.textfile import read_toml

# Card of the network trained by dlib's author, and the sha256 of the file it is published in.
_KNOWN = "dlib-resnet.toml"


def import_model(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    card: str | os.PathLike[str] | None = None,
) -> ModelFile:
    """Make a model file from a network made elsewhere.

    Parameters
    ----------
    source : path
        An ONNX network, or dlib's `dlib_face_recognition_resnet_model_v1.dat`.
    target : path
        The model file to write.
    card : path or None
        A TOML file that says how to use an ONNX network; see `import_onnx`. A dlib network needs none.

    Returns
    -------
    ModelFile
        The model file that was written.

    Raises
    ------
    ModelError
        The network or the card cannot be read or do not match, or the target cannot be written.
    """
    source = Path(source)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {source}: {error.strerror}; check the path") from None
    if source.suffix == ".dat":
        if card is not None:
            raise ModelError(f"{source} is a dlib network, whose card is generated; leave out the card {card}")
        onnx, made = import_dlib(data, str(source))
    else:
        onnx, made = import_onnx(data, _read_card(card if card is not None else source.with_suffix(".toml")), source)
    write_model(target, onnx, made)
    return read_model(target)


def import_dlib(data: bytes, where: str) -> tuple[bytes, Card]:
    """Convert dlib's face recognition network to ONNX, with a card.

    If the file is the one that dlib's author published, the card has the measured thresholds. Other weights of the same
    design get a card without thresholds and with an unknown licence.

    Parameters
    ----------
    data : bytes
        The whole .dat file.
    where : str
        Name of the file in error messages.

    Raises
    ------
    ModelError
        The file is another network, or damaged.
    """
    network = read_dlib_resnet(data, where)
    onnx = resnet_to_onnx(network)
    known = tomllib.loads(files("facespace.model.convert").joinpath(_KNOWN).read_text("utf-8"))
    if known.pop("source_sha256") == hashlib.sha256(data).hexdigest():
        said = known
    else:
        said = {"name": Path(where).stem, "version": "1", "licence": "unknown", "data_terms": "unknown"}
    return onnx, Card.parse({**said, **_dlib_preparation(network), "weights_sha256": weights_sha256(onnx)}, where)


def import_onnx(data: bytes, said: dict[str, Any], source: Path) -> tuple[bytes, Card]:
    """Check an ONNX network made elsewhere, and complete the card that its user wrote.

    Parameters
    ----------
    data : bytes
        The ONNX file. A batch axis of fixed size is made dynamic, because faces are embedded in batches.
    said : dict
        The card's keys; `format` and `weights_sha256` are optional.
    source : path
        The file's path, for error messages.

    Raises
    ------
    ModelError
        It is not an embedding network, the card is invalid or for another network, or the network's output does not
        match the card.
    """
    opened = open_batch(data, source)
    sha256 = weights_sha256(data, str(source))
    if said.get("weights_sha256", sha256) != sha256:
        raise ModelError(f"the card beside {source} is for other weights; their weights_sha256 is {sha256}")
    card = Card.parse({**said, "weights_sha256": weights_sha256(opened)}, f"the card of {source}")
    check_model(ModelFile(source, card, opened))
    return opened, card


def _dlib_preparation(network: ResNet) -> dict[str, Any]:
    # The file has float32 means: 122.782 is read as 122.78199768...
    mean = [float(f"{value:.6g}") for value in network.mean]
    return {
        "dimension": network.projection.shape[1] + 1,
        # An embedding with a larger norm than the sphere's radius still needs normalising.
        "normalised": False,
        "detector": DEFAULT_DETECTOR,
        "crop": "dlib-150",
        "input": {
            "width": network.size,
            "height": network.size,
            "colour": "RGB",
            "mean": mean,
            "std": [256.0, 256.0, 256.0],
        },
    }


def _read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    path = Path(path)
    try:
        return read_toml(path)
    except FileNotFoundError:
        raise ModelError(
            f"there is no card {path}; write one that says how to prepare a face for this network "
            "(`facespace model show NETWORK.onnx` prints one to start from)"
        ) from None
    except OSError as error:
        raise ModelError(f"cannot read the card {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not TOML: {error}") from None
