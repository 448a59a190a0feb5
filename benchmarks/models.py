"""Print a table of model files: parameters, size, and time per face.

    python benchmarks/models.py MODEL.onnx ... [--dlib FILE.dat]

Times are for the engine, including the preparation of pixels, at batch sizes 1 and 32 with 1 and 2 threads. Models
alternate, so that other load on the machine affects all equally, and each time is the median over rounds. The last
column is the speed relative to the first model, at batch size 1 with one thread. With --dlib, the table includes dlib
itself (one thread; on a CPU it does not benefit from batches).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from facespace.model import Engine, ModelFile, read_model

BATCHES, THREADS = (1, 32), (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--dlib", type=Path, help="dlib_face_recognition_resnet_model_v1.dat, to include dlib itself")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    models = [read_model(path) for path in given.models]
    rows = {str(path): describe(model) for path, model in zip(given.models, models, strict=True)}
    runs: dict[tuple[str, int, int], Callable[[], object]] = {}
    for path, model in zip(given.models, models, strict=True):
        for threads in THREADS:
            engine = Engine(model, provider="cpu", threads=threads)
            for batch in BATCHES:
                runs[str(path), batch, threads] = bound(engine.embed, faces(model, batch))
    if given.dlib:
        import dlib

        network = dlib.face_recognition_model_v1(str(given.dlib))
        chip = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
        rows["dlib itself"] = ("", f"{given.dlib.stat().st_size / 1e6:.2f}")
        runs["dlib itself", 1, 1] = bound(network.compute_face_descriptor, chip)
    found = measure(runs, given.rounds)
    first = found[str(given.models[0]), 1, 1]
    columns = [f"ms, batch {batch}, {threads} thread" for batch in BATCHES for threads in THREADS]
    print(f"| model | parameters, million | MB | {' | '.join(columns)} | speed |")
    print("|---" * (4 + len(BATCHES) * len(THREADS)) + "|")
    for name, (parameters, size) in rows.items():
        times = [found.get((name, batch, threads)) for batch in BATCHES for threads in THREADS]
        cells = ["" if each is None else f"{each:.2f}" for each in times]
        print(f"| {Path(name).stem} | {parameters} | {size} | {' | '.join(cells)} | {first / found[name, 1, 1]:.2f} |")


def describe(model: ModelFile) -> tuple[str, str]:
    """Return parameters in millions, and file size in megabytes."""
    graph = onnx.load_from_string(model.onnx).graph
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    # Scales and zero points of an int8 network, and shapes, do not count as parameters.
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    counted = sum(
        count
        for name, count in weights.items()
        if kinds[name] != onnx.TensorProto.INT64 and not name.endswith(("_scale", "_zero_point"))
    )
    return f"{counted / 1e6:.3f}", f"{len(model.onnx) / 1e6:.2f}"


def faces(model: ModelFile, count: int) -> np.ndarray:
    size = model.card.input
    return np.random.default_rng(0).integers(0, 256, (count, size.height, size.width, 3), np.uint8)


def bound(function: Callable[[np.ndarray], object], argument: np.ndarray) -> Callable[[], object]:
    return lambda: function(argument)


def measure(runs: dict[tuple[str, int, int], Callable[[], object]], rounds: int) -> dict[tuple[str, int, int], float]:
    """Return the median milliseconds per face, alternating between models after a warm-up."""
    for run in runs.values():
        run()
    times: dict[tuple[str, int, int], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            repeats = 5 if key[1] == 1 else 1
            started = time.perf_counter()
            for _ in range(repeats):
                run()
            times[key].append((time.perf_counter() - started) / repeats / key[1] * 1e3)
    return {key: statistics.median(found) for key, found in times.items()}


if __name__ == "__main__":
    main()
