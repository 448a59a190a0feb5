"""Compare a space with other methods on LFW View 2, on the same faces and folds, in one run.

    python benchmarks/peers.py ../shared/data [MODEL.onnx ...] [--keep runs/peers]

A MODEL is a file or the name of a shipped model. dlib takes ten minutes on one core; --keep saves the embeddings and
the speed of every method for the next run.

Every method gets the face marked in lfw_landmarks.csv, with its own crop. Thresholds, metrics and intervals are those
of `facespace evaluate --protocol lfw`. Methods:

- dlib's ResNet, by dlib itself (dlib-bin), weights from face_recognition_models;
- local binary patterns, uniform, in a grid of 7 x 7 (Ahonen, Hadid, Pietikainen, 2006), by scikit-image;
- eigenfaces, 128 whitened components (Turk, Pentland, 1991), by scikit-learn, fitted on people who are not in LFW;
- raw grey pixels, 32 x 32;
- any model files, including other networks with a card.

Prints accuracy and VAL with intervals, CPU milliseconds per face on one thread, and the difference from the first model
(or the first method, if no model is given) on the same pairs.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from facespace.evaluate import (
    EmbeddingCache,
    Preparation,
    compare,
    embed_photos,
    open_photos,
    protocols,
    read_landmarks,
    verify_embeddings,
)
from facespace.evaluate.landmarks import GivenFace
from facespace.evaluate.metrics import VerificationFigures
from facespace.evaluate.photos import Photos
from facespace.faces import CROPS
from facespace.images import read_image, resize
from facespace.metric import normalise
from facespace.space import load

Faces = NDArray[np.uint8]
Embed = Callable[[Faces], NDArray[np.float32]]
FITTED = 4000
TIMED = 64


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data", type=Path)
    words.add_argument("models", nargs="*")
    words.add_argument("--keep", type=Path)
    words.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    given_words = words.parse_args()
    data, models, keep = given_words.data, given_words.models, given_words.keep
    photos = open_photos(data / "lfw.zip")
    asked = protocols.lfw(data / "pairs.txt", photos)
    given = read_landmarks(data / "lfw_landmarks.csv")
    figures: dict[str, VerificationFigures] = {}

    def tell(name: str, points: NDArray[np.float32], milliseconds: float) -> None:
        found = figures[name] = verify_embeddings(asked, points)
        vals = "".join(
            f", VAL {v.value:.4f} ({v.low:.4f} to {v.high:.4f}) at FAR {far:g}" for far, v in found.val.items()
        )
        print(
            f"{name}: accuracy {found.accuracy.value:.4f} +- {found.accuracy_se:.4f} "
            f"({found.accuracy.low:.4f} to {found.accuracy.high:.4f}){vals}; {milliseconds:.1f} ms a face",
            flush=True,
        )

    for path in models:
        space = load(path, provider="cpu", threads=1)
        preparation = Preparation(central=True, landmarks=given)
        with EmbeddingCache(space.id) as cache:
            points = embed_photos(space, photos, asked.names, preparation, cache).embeddings
        # Embeddings may come from an earlier run, so speed is measured on the first faces.
        size = space.card.input
        faces = cut_all(photos, asked.names[:TIMED], given, space.card.crop, size.width)
        tell(f"{space.card.name} {space.card.version}", points, timed(space.engine.embed, faces)[1])
    for name in given_words.peers:
        kept = None if keep is None else keep / f"{name.replace(' ', '-')}.npz"
        if kept is not None and kept.exists():
            with np.load(kept) as held:
                tell(name, held["points"], float(held["milliseconds"]))
            continue
        crop, side, build = PEERS[name]
        embed, parts = build(data), []
        for start in track(range(0, len(asked.names), TIMED), name):
            faces = cut_all(photos, asked.names[start : start + TIMED], given, crop, side)
            parts.append(timed(embed, faces))
        points = normalise(np.concatenate([points for points, _ in parts]))
        milliseconds = float(np.median([milliseconds for _, milliseconds in parts]))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, points=points, milliseconds=milliseconds)
        tell(name, points, milliseconds)
    first = next(iter(figures))
    for name, found in figures.items():
        if name != first:
            d = next(d for d in compare(figures[first], found) if d.name == "accuracy").difference
            print(f"{first} minus {name}: accuracy {d.value:+.4f} ({d.low:+.4f} to {d.high:+.4f})")


def timed(embed: Embed, faces: Faces) -> tuple[NDArray[np.float32], float]:
    """Return the embeddings of faces, and CPU milliseconds per face."""
    started = time.process_time()
    points = embed(faces)
    return points, 1000 * (time.process_time() - started) / len(faces)


def cut_all(photos: Photos, names: Sequence[str], given: dict[str, GivenFace], crop: str, side: int) -> Faces:
    return np.stack([cut(photos.read(name), given.get(name), crop, side) for name in names])


def cut(content: bytes, face: GivenFace | None, crop: str, side: int) -> Faces:
    image = read_image(content)
    if face is None:
        # One photo has no landmarks; LFW is centred, so use the centre.
        quarter = image.shape[0] // 4
        return resize(image[quarter:-quarter, quarter:-quarter], side, side)
    return CROPS[crop](image, face.box, face.landmarks, side, side)


def dlib_resnet() -> Embed:
    import dlib

    # Only locate the package, because importing it needs setuptools.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        sys.exit("pip install -r benchmarks/requirements.txt")
    weights = Path(spec.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"
    network = dlib.face_recognition_model_v1(str(weights))
    return lambda faces: np.array(network.compute_face_descriptor(list(faces)), np.float32)


def eigenfaces(data: Path) -> Embed:
    from sklearn.decomposition import PCA

    train = open_photos(data / "train.zip")
    chosen = np.random.default_rng(0).permutation(len(train.names))[:FITTED]
    faces = np.stack([read_image(train.read(train.names[at]))[8:-8, 8:-8] for at in chosen])
    fitted = PCA(128, whiten=True, svd_solver="randomized", random_state=0).fit(small(faces))
    return lambda faces: fitted.transform(small(faces)).astype(np.float32)


def binary_patterns(faces: Faces) -> NDArray[np.float32]:
    from skimage.feature import local_binary_pattern

    rows = []
    for face in grey(faces):
        codes = local_binary_pattern(face.astype(np.uint8), 8, 2, "nri_uniform").astype(int)
        cells = codes.reshape(7, 16, 7, 16).swapaxes(1, 2).reshape(49, 256)
        histograms = np.stack([np.bincount(cell, minlength=59) for cell in cells])
        # With square roots, the Euclidean distance is the Hellinger distance.
        rows.append(np.sqrt(histograms / 256).ravel())
    return np.array(rows, np.float32)


def raw_pixels(faces: Faces) -> NDArray[np.float32]:
    pixels = small(faces)
    return pixels - pixels.mean(axis=1, keepdims=True)


def small(faces: Faces) -> NDArray[np.float32]:
    """Convert faces to grey, 32 x 32, with mean 0 and standard deviation 1."""
    pixels = np.stack([resize(face, 32, 32) for face in faces])
    flat = grey(pixels).reshape(len(faces), -1)
    return ((flat - flat.mean(axis=1, keepdims=True)) / (flat.std(axis=1, keepdims=True) + 1e-6)).astype(np.float32)


def grey(faces: Faces) -> NDArray[np.float32]:
    return faces @ np.array([0.299, 0.587, 0.114], np.float32)


PEERS: dict[str, tuple[str, int, Callable[[Path], Embed]]] = {
    "raw pixels": ("arcface-112", 112, lambda data: raw_pixels),
    "local binary patterns": ("arcface-112", 112, lambda data: binary_patterns),
    "eigenfaces": ("arcface-112", 112, eigenfaces),
    "dlib's ResNet by dlib": ("dlib-150", 150, lambda data: dlib_resnet()),
}


if __name__ == "__main__":
    main()
