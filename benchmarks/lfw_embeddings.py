"""Embed the main face of every photo of LFW, for other benchmarks.

    python benchmarks/lfw_embeddings.py MODEL ../shared/data EMBEDDINGS.npy

Writes float32 of shape (13233, d), sorted by photo name. The positions of the faces come from lfw_landmarks.csv, so the
result does not depend on a detector.
"""

import csv
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
from rich.progress import track

from facespace.faces import CROPS
from facespace.model import read_model
from facespace.model.engine import Engine


def main() -> None:
    model, data, out = read_model(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    with (data / "lfw_landmarks.csv").open() as file:
        rows = {row[0]: np.array(row[1:16], np.float32) for row in list(csv.reader(file))[1:]}
    # One photo has no row; LFW is centred, so use the usual position.
    usual = np.median(np.stack(list(rows.values())), axis=0)
    crop, size = CROPS[model.card.crop], model.card.input
    with zipfile.ZipFile(data / "lfw.zip") as archive:
        members = sorted(name for name in archive.namelist() if name.endswith(".jpg"))

        def faces() -> Iterator[np.ndarray]:
            for member in track(members):
                found = rows.get("/".join(member.split("/")[-2:]), usual)
                left, top, width, height = found[:4]
                box, landmarks = np.array([left, top, left + width, top + height]), found[5:15].reshape(5, 2)
                image = np.asarray(PIL.Image.open(io.BytesIO(archive.read(member))).convert("RGB"))
                yield crop(image, box, landmarks, size.width, size.height)

        np.save(out, np.stack(list(Engine(model).embed_stream(faces()))))


if __name__ == "__main__":
    main()
