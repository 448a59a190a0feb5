"""Claim: the service handles more requests than deepface's server with the same network.

Compares deepface's API, started as in its documentation (gunicorn, one worker) with dlib's network and detector, and
ours with the same network imported and our detector, alternating on the loopback interface. `clients` concurrent
clients send pairs of photos of LFW to /verify without pauses. Reports requests per second, p50, and CPU milliseconds
per request of the server's processes.

    python benchmarks/peer_service.py dlib-resnet.onnx [--seconds 10] [--rounds 2]

Install deepface with --no-deps (benchmarks/requirements-no-deps.txt). dlib is used because its weights come in a
package, face_recognition_models; deepface downloads the weights of its other networks and detectors at first use.
"""

import argparse
import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from service import pair_of, post, service, some_photos
from workers import spent

FORM = {"model_name": "Dlib", "detector_backend": "dlib", "enforce_detection": "false"}
WEIGHTS = ("dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat")


@contextmanager
def deepface() -> Iterator[tuple[str, list[int]]]:
    """Start deepface's server; yield its address and processes."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None or importlib.util.find_spec("deepface") is None:
        sys.exit("see benchmarks/requirements.txt and requirements-no-deps.txt")
    with tempfile.TemporaryDirectory() as home, socket.socket() as free:
        folder = Path(home) / ".deepface" / "weights"
        folder.mkdir(parents=True)
        for name in WEIGHTS:
            shutil.copy(Path(spec.origin).parent / "models" / name, folder / name)
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        words = [
            "-m",
            "gunicorn",
            "--workers=1",
            "--timeout=7200",
            f"--bind={address}",
            "deepface.api.src.app:create_app()",
        ]
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "DEEPFACE_HOME": home, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://{address}/")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield f"http://{address}", [process.pid, *map(int, children)]
        finally:
            process.terminate()
            process.wait(60)


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def named(fields: tuple[str, str], photos: list[bytes]) -> Callable[[int], dict[str, tuple[str, bytes]]]:
    """Return the two photos of a request, with the server's field names."""
    return lambda number: {
        field: (f"{field}.jpg", photo) for field, photo in zip(fields, pair_of(photos, number), strict=True)
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("model")
    words.add_argument("--seconds", type=float, default=10)
    words.add_argument("--rounds", type=int, default=2)
    words.add_argument("--clients", type=int, default=4)
    given = words.parse_args()
    photos = some_photos()
    figures: dict[str, list[tuple[float, float, float]]] = {"facespace": [], "deepface": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        deepface() as (theirs, pids),
        service(given.model, f"{folder}/people.db") as (ours, process),
    ):
        asked = {
            "facespace": (f"{ours}/v1/verify", ("a", "b"), {}, [process.pid]),
            "deepface": (f"{theirs}/verify", ("img1", "img2"), FORM, pids),
        }
        for turn in range(1 + given.rounds):
            for name, (url, fields, form, at_work) in asked.items():
                before = sum(map(spent, at_work))
                seconds = given.seconds if turn else 2
                took = asyncio.run(post(url, named(fields, photos), given.clients, seconds, form, timeout=120))
                work = 1000 * (sum(map(spent, at_work)) - before) / len(took)
                if turn:
                    figures[name].append((len(took) / given.seconds, 1000 * float(np.median(took)), work))
    for name, measured in figures.items():
        rate, p50, work = np.median(measured, axis=0)
        print(f"{name}: {rate:.1f} requests/s, p50 {p50:.0f} ms, {work:.0f} ms of CPU per request")


if __name__ == "__main__":
    main()
