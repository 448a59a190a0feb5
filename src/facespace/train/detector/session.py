"""A complete training run of a detector: read the photos, train, write the page, export."""

import tomllib
from collections.abc import Callable
from pathlib import Path

from facespace.faces.detector_file import DetectorModelCard
from facespace.processors import available
from facespace.train.detector.data import read_data, read_validation
from facespace.train.detector.export import export_detector
from facespace.train.detector.loop import TrainedDetector, train_detector
from facespace.train.detector.recipe import DetectorRecipe, parse_detector_recipe
from facespace.train.engine.checkpoint import best_checkpoint
from facespace.train.engine.distributed import choose_device

Say = Callable[[str], None]
# Maximum number of processes that prepare the batches for a GPU.
LOADERS = 8


def is_detector(recipe: Path) -> bool:
    """Whether a recipe is for a detector; False if the file cannot be read."""
    try:
        return tomllib.loads(recipe.read_text("utf-8")).get("kind") == "detector"
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


def is_detector_run(run: Path) -> bool:
    """Whether a run trained a detector; DataError if it has no checkpoint."""
    return best_checkpoint(run).recipe.get("kind") == "detector"


def train_detector_recipe(
    recipe: DetectorRecipe,
    run: Path,
    resume: bool,
    on_step: Callable[[dict[str, float]], None],
    warn: Say,
    loaders: int | None = None,
    device: str = "cpu",
) -> TrainedDetector:
    """Train with a recipe and write the run's page; parameters and errors as for `train_detector`.

    Parameters
    ----------
    loaders : int or None
        None: 1 for a CPU, and a share of the processors for a GPU.
    device : str
        See `choose_device`.
    """
    chosen = choose_device(device)
    if loaders is None:
        loaders = 1 if chosen.type == "cpu" else min(max(available() - 1, 1), LOADERS)
    data = read_data(recipe, run / "photos", warn)
    trained = train_detector(recipe, data, run, resume, on_step, warn, loaders, chosen)
    try:
        from facespace.train.detector.page import write_detector_page
    except ModuleNotFoundError as error:
        warn(f"no report of this run was written: it needs {error.name}; pip install 'facespace[report]'")
    else:
        write_detector_page(run, recipe, trained.network, data)
    return trained


def export_detector_run(run: Path, path: Path, warn: Say) -> DetectorModelCard:
    """Export a run, its scores calibrated on its validation photos; errors as for `export_detector`."""
    recipe = parse_detector_recipe(best_checkpoint(run).recipe, f"of {run}")
    return export_detector(run, path, read_validation(recipe, run / "photos", warn))
