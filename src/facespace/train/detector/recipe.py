"""The recipe of a detector: settings in TOML, validated before training starts."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facespace.errors import RecipeError
from facespace.train.recipe import OptimiserSection
from facespace.validation import explain

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PhotosSection(_Section):
    """Photos and the labels of their faces; paths relative to the recipe's folder, or to `--data`.

    photos : folder
    labels : npz file, as `facespace.train.detector.labels` makes it
    validation : prefixes of the names of validation photos, such as folders
    report : prefixes of the names of photos reserved for the final figures
    """

    photos: Path
    labels: Path
    validation: tuple[str, ...] = ()
    report: tuple[str, ...] = ()


class PortraitsSection(_Section):
    """Photos in which one face fills most of the picture. They add large faces, which are rare elsewhere.

    share : of the views of a batch
    """

    photos: Path
    labels: Path
    share: Share = 0.15


class BackgroundSection(_Section):
    """Photos with few faces or none, as negative examples.

    share : of the views of a batch
    """

    photos: Path
    labels: Path
    share: Share = 0.1


class MoreSection(_Section):
    """More training photos, from which views are cut as from those of `wild`.

    share : of the views of a batch
    """

    photos: Path
    labels: Path
    share: Share


class DataSection(_Section):
    """Training data. Its description, licence and terms are written to the card.

    Each of the other collections supplies its share of the views of a batch; the rest come from `wild`.
    """

    wild: PhotosSection
    more: tuple[MoreSection, ...] = ()
    portraits: PortraitsSection | None = None
    background: BackgroundSection | None = None
    description: str = "not described"
    licence: str = "not stated"
    terms: str = "not stated"


Width = Annotated[int, Field(ge=8, le=512)]
Depth = Annotated[int, Field(ge=0, le=16)]


class NetworkSection(_Section):
    """The network: channels at strides 2 and 4 (`stem`), at strides 8, 16 and 32 (`widths`), and in the top-down path.

    depths : residual blocks at strides 8, 16 and 32
    start : folder of a run whose best checkpoint gives the initial weights; its network may be narrower and shallower.
        Relative to the working directory, like --run. None for random weights
    keep_stem : freeze the layers of strides 2 and 4 with the weights of `start`, which saves a third of a step's time
    """

    stem: tuple[Width, Width] = (16, 32)
    widths: tuple[Width, Width, Width] = (48, 64, 48)
    neck: Width = 48
    depths: tuple[Depth, Depth, Depth] = (0, 1, 1)
    start: Path | None = None
    keep_stem: bool = False


class BatchSection(_Section):
    """Number of square views in a batch, and their side in pixels."""

    views: Count = 32
    side: Annotated[int, Field(ge=64, multiple_of=32)] = 320


class ValidationSection(_Section):
    """Steps between two measurements of average precision on the validation photos; 0 measures only at the end."""

    every: Annotated[int, Field(ge=0)] = 0


_Photos = TypeVar("_Photos", PhotosSection, PortraitsSection, BackgroundSection, MoreSection)
_PHOTOS = ("wild", "portraits", "background")


class DetectorRecipe(_Section):
    """All settings that determine the result of a training run.

    averaging : decay of the running average of the weights, which is the network that is used
    """

    @model_validator(mode="after")
    def _leave_views_to_wild(self) -> "DetectorRecipe":
        others = [self.data.portraits, self.data.background, *self.data.more]
        total = sum(section.share for section in others if section is not None)
        if total > 1:
            raise ValueError(f"the shares of data.portraits, data.background and data.more add up to {total:g}, over 1")
        return self

    kind: Literal["detector"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Count
    checkpoint_every: Count = 250
    keep_checkpoints: Count = 3
    precision: Literal["fp32", "bf16"] = "fp32"
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.998
    data: DataSection
    network: NetworkSection = NetworkSection()
    batch: BatchSection = BatchSection()
    optimiser: OptimiserSection = OptimiserSection(name="muon", rate=0.05)
    validation: ValidationSection = ValidationSection()


def read_detector_recipe(path: str | os.PathLike[str], base: Path | None = None) -> DetectorRecipe:
    """Read a recipe; its paths are resolved against `base`, or against its own folder.

    Raises
    ------
    RecipeError
        No such file, not TOML (with the line), or a key or value that is not valid.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    recipe = parse_detector_recipe(values, str(path))
    folder = base or path.parent

    def found(section: _Photos) -> _Photos:
        return section.model_copy(update={"photos": folder / section.photos, "labels": folder / section.labels})

    data: dict[str, Any] = {"more": tuple(found(section) for section in recipe.data.more)}
    for name in _PHOTOS:
        section = getattr(recipe.data, name)
        if section is not None:
            data[name] = found(section)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})


def without_folders(recipe: dict[str, Any]) -> dict[str, Any]:
    """The values of a recipe for publication: paths are reduced to file names."""
    network, data = dict(recipe["network"]), dict(recipe["data"])
    if network.get("start") is not None:
        network["start"] = Path(network["start"]).name
    for section in _PHOTOS:
        if data.get(section) is not None:
            data[section] = _named(data[section])
    # Runs of earlier versions have no such key.
    data["more"] = [_named(section) for section in data.get("more", ())]
    return {**recipe, "network": network, "data": data}


def _named(section: dict[str, Any]) -> dict[str, Any]:
    return section | {key: Path(section[key]).name for key in ("photos", "labels")}


def parse_detector_recipe(values: object, where: str) -> DetectorRecipe:
    """Validate the values of a recipe; the RecipeError names each invalid key."""
    try:
        return DetectorRecipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"the recipe {where} is not valid:\n{explain(error, DetectorRecipe)}") from None
