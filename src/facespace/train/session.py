"""A complete training run: read the recipe's faces, train, export.

Used by `facespace train`, `facespace export` and the demo. The training loop itself does not read photos.
"""

from collections.abc import Callable
from pathlib import Path

from facespace.errors import DataError
from facespace.model import Card
from facespace.train.data.dataset import FaceSet, read_faces, split_people, without_doubtful_names
from facespace.train.data.old_space import OldSpace
from facespace.train.engine.checkpoint import best_checkpoint
from facespace.train.engine.distributed import Workers
from facespace.train.engine.loop import Trained, train
from facespace.train.engine.stored import stored_recipe, used_offset
from facespace.train.export.model import export
from facespace.train.recipe import Recipe

Warn = Callable[[str], None]


def faces_of(recipe: Recipe, warn: Warn) -> tuple[FaceSet, FaceSet | None]:
    """Read the training faces, and the validation faces if the recipe has any.

    Raises
    ------
    DataError
        The data does not match the recipe, or a person is in both sets.
    """
    width, height = recipe.network.width, recipe.network.height
    old = None if recipe.data.old is None else OldSpace(recipe.data.old)

    def read(path: Path, *more: Path) -> FaceSet:
        faces = read_faces(path, width, height, warn, more=more)
        return faces if old is None else old.with_teacher(faces, path)

    faces = read(recipe.data.train, *([] if recipe.data.unnamed is None else [recipe.data.unnamed]))
    if recipe.data.label_limit is not None:
        faces = without_doubtful_names(faces, recipe.data.label_limit)
    if recipe.data.validation is not None:
        others = read(recipe.data.validation)
        both = set(faces.people) & set(others.people)
        if both:
            raise DataError(
                f"{len(both)} people are in both the training and the validation set, for example {min(both)!r}; "
                "remove them from one, since results on training people say nothing about other people"
            )
        return faces, others
    return split_people(faces, recipe.data.validation_people, recipe.seed)


def train_recipe(
    recipe: Recipe,
    run: Path,
    resume: bool,
    on_step: Callable[[dict[str, float]], None],
    warn: Warn,
    workers: Workers | None = None,
) -> Trained:
    """Train according to a recipe, and write the run's report; parameters and errors as for `train`."""
    faces, validation = faces_of(recipe, warn)
    trained = train(recipe, faces, run, resume, on_step, warn, validation, workers)
    if workers is None or workers.first:
        try:
            from facespace.train.report.page import write_page
        except ModuleNotFoundError as error:
            warn(f"no report of this run was written: it needs {error.name}; pip install 'facespace[report]'")
        else:
            write_page(run, recipe, trained.network, faces, f"facespace train, recipe {recipe.name}, run {run}")
    return trained


def export_run(run: Path, path: Path, warn: Warn, mirror: bool = False) -> Card:
    """Export a run as a model file, with thresholds measured on its validation people.

    The faces are read again from the paths in the run's recipe. With `mirror`, the model averages the embeddings of
    each face and its mirror image.

    Raises
    ------
    DataError, ModelError
        As for `export`.
    """
    checkpoint = best_checkpoint(run)
    if used_offset(checkpoint):
        raise DataError(
            f"{run} was trained with data.offset, an option that was removed, so the thresholds of an exported model "
            "would be wrong. Export it with the version that trained it, or train again on faces aligned without offset"
        )
    recipe = stored_recipe(checkpoint, run)
    faces, validation = faces_of(recipe, warn)
    return export(run, path, faces, validation, mirror)
