"""Training recipes: TOML files, validated before training starts."""

import os
import tomllib
import warnings
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from facespace.errors import FacespaceWarning, RecipeError
from facespace.textfile import BACKSLASHES, read_toml
from facespace.validation import explain

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(gt=0, lt=4)]
Weight = Annotated[float, Field(ge=0)]

# Keys of earlier versions, and what to do instead.
_REMOVED = {
    "data.offset": "this option was removed, because aligned faces have the template in the middle. Delete the key; "
    "faces aligned with other landmarks must be aligned again: facespace prepare",
}


# Names of earlier versions that still work.
_RENAMED_SECTIONS = {"care": "watchdog"}
_RENAMED_KEYS = {"watchdog": {"tries": "max_rollbacks", "ease": "backoff"}}


def _whole(path: Path) -> Path:
    # In TOML, "faces\new" is valid and contains a line break.
    if any(ord(letter) < 32 for letter in str(path)):
        raise ValueError(f"the path contains a control character such as a tab or a line break; {BACKSLASHES}")
    return path


Folder = Annotated[Path, AfterValidator(_whole)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# The keys of [data] that hold paths.
DATA_PATHS = ("train", "unnamed", "validation", "old")


class DataSection(_Section):
    """The training and validation data.

    train : folder with one subfolder of photos per person; relative to the recipe's folder
    unnamed : more faces of the same kind without names, each a person of its own in the table; for distillation, which
        needs no names. `singles` of [batch] sets how many of them are in a batch
    validation : folder with photos of other people, used to measure thresholds and calibration
    validation_people : alternatively, the number of people of `train` to hold out for validation
    old : model file that the new embeddings should be comparable with (loss 'harmonic'). Without it, the teacher's
        embeddings next to the faces are the old space
    label_limit : squared distance from a person's mean, in the teacher's space, above which a face counts as labelled
        wrong and becomes a person of its own, so that only distillation uses it. None keeps all labels
    description, licence, terms : text about the data for the model card
    """

    train: Folder
    unnamed: Folder | None = None
    label_limit: Annotated[float, Field(gt=0, le=4)] | None = None
    validation: Folder | None = None
    validation_people: Annotated[int, Field(ge=0)] = 0
    old: Folder | None = None
    description: str = "not described"
    licence: str = "not stated"
    terms: str = "not stated"


class NetworkSection(_Section):
    """The network.

    name : registered name, or package.module:function
    width, height : input size in pixels
    dimension : dimension of an embedding
    start : folder of a run of the same network to take the initial weights from: its best checkpoint, or the last if
        none was validated. Relative to the working directory, like all runs. None: random weights
    """

    name: str
    width: Annotated[int, Field(ge=16, le=1024)]
    height: Annotated[int, Field(ge=16, le=1024)]
    dimension: Annotated[int, Field(ge=2, le=4096)] = 128
    start: Folder | None = None


class BatchSection(_Section):
    """Identity-balanced batches: `people` identities with `photos` faces each.

    singles : additional faces per batch of people with a single photo; they serve as negatives and, in distillation,
        like any other face
    chunk : faces to pass through the network at a time, 0 for the whole batch. The gradient is that of the whole batch
        (gradient caching), with the memory of a chunk and a third more time
    """

    people: Annotated[int, Field(ge=2)]
    photos: Annotated[int, Field(ge=2)]
    singles: Annotated[int, Field(ge=0)] = 0
    chunk: Annotated[int, Field(ge=0)] = 0


class OfflineSection(_Section):
    """Offline mining: triplets from a pool that is searched at intervals (paper section 3.2).

    every : steps between two searches, 0 for no offline mining
    pool : faces embedded for a search, drawn at random each time; all training faces if there are fewer
    share, final_share : share of a batch that these triplets fill, changing linearly over the run; 1 is offline mining
        alone. The online miner still searches all faces of the batch
    hardness, floor : as for the online miner
    start : first step that uses offline mining, because an untrained network cannot tell which triplets are hard
    """

    every: Annotated[int, Field(ge=0)] = 0
    pool: Annotated[int, Field(ge=2)] = 20_000
    share: Share = 0.5
    final_share: Share | None = None
    hardness: Share = 1.0
    floor: Annotated[float, Field(ge=0, lt=4)] = 0.0
    start: Annotated[int, Field(ge=0)] = 0


class MiningSection(_Section):
    """Selection of the triplets to train on.

    online : miner within the batch
    pairs : 'all' anchor-positive pairs, or 'one' random positive per anchor
    hardness, final_hardness : 0 is semi-hard, 1 allows the nearest negative; changes linearly over the run. The
        default depends on the miner
    floor : squared distance below which no negative is taken; closer ones are often wrong labels
    """

    online: Literal["semi-hard", "batch-hard", "batch-all", "distance-weighted"] = "semi-hard"
    pairs: Literal["all", "one"] = "all"
    hardness: Share | None = None
    final_hardness: Share | None = None
    floor: Annotated[float, Field(ge=0, lt=4)] = 0.0
    offline: OfflineSection = OfflineSection()


class _LossSection(_Section):
    """Base class of the loss sections."""

    @property
    def mines(self) -> bool:
        """Whether the loss uses triplets, which [mining] selects."""
        return False

    @property
    def plain_margin(self) -> bool:
        """Whether the margin is one between plain distances, not squared ones."""
        return False


class _MarginSection(_LossSection):
    """A loss with a margin (alpha), which changes linearly from `margin` to `final_margin` over the run."""

    margin: Margin = 0.2
    final_margin: Margin | None = None


class TripletSection(_MarginSection):
    """The triplet loss (paper equation 3).

    distance : 'squared' distances as in the paper, or 'plain' ones
    soft : use log(1 + exp(.)) instead of max(0, .)
    """

    name: Literal["triplet"] = "triplet"
    distance: Literal["squared", "plain"] = "squared"
    soft: bool = False

    @property
    def mines(self) -> bool:
        """Whether the loss uses triplets."""
        return True

    @property
    def plain_margin(self) -> bool:
        """Whether the margin is one between plain distances."""
        return self.distance == "plain"


class HarmonicSection(_MarginSection):
    """The triplet loss over new embeddings and those of an old space (paper appendix A)."""

    name: Literal["harmonic"]

    @property
    def mines(self) -> bool:
        """Whether the loss uses triplets."""
        return True


class DistillationSection(_MarginSection):
    """Distillation from a teacher, whose embeddings are stored next to the faces.

    relations : weight of the distances within the batch, relative to the embeddings themselves
    templates : weight of the similarities to the templates of all training people
    scale : factor on the cosines with these templates
    triplets : weight of an additional triplet loss; `margin` and [mining] apply to it
    """

    name: Literal["distillation"]
    relations: Weight = 1.0
    templates: Weight = 0.0
    scale: Annotated[float, Field(gt=0)] = 64.0
    triplets: Weight = 0.0

    @property
    def mines(self) -> bool:
        """Whether the loss uses triplets."""
        return self.triplets > 0


class ContrastiveSection(_LossSection):
    """The contrastive loss; `margin` is the squared distance up to which different people are pushed apart."""

    name: Literal["contrastive"]
    margin: Margin = 0.2


class ArcfaceSection(_LossSection):
    """ArcFace: an angular margin of `angle` degrees, and a factor `scale` on the cosines."""

    name: Literal["arcface"]
    angle: Annotated[float, Field(gt=0, lt=90)] = 28.6
    scale: Annotated[float, Field(gt=0)] = 64.0


class CrossEntropySection(_LossSection):
    """A classifier over the training people, with label smoothing."""

    name: Literal["cross-entropy"]
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


def _loss_name(section: object) -> object:
    """Return the discriminator of the loss sections; a section without a name is the triplet loss."""
    if isinstance(section, dict):
        return section.get("name", "triplet")
    return getattr(section, "name", None)


LOSS_SECTIONS: dict[str, type[_LossSection]] = {
    "triplet": TripletSection,
    "harmonic": HarmonicSection,
    "distillation": DistillationSection,
    "contrastive": ContrastiveSection,
    "arcface": ArcfaceSection,
    "cross-entropy": CrossEntropySection,
}

# Each loss has its own section, so that options of another loss are rejected.
LossSection = Annotated[
    Annotated[TripletSection, Tag("triplet")]
    | Annotated[HarmonicSection, Tag("harmonic")]
    | Annotated[DistillationSection, Tag("distillation")]
    | Annotated[ContrastiveSection, Tag("contrastive")]
    | Annotated[ArcfaceSection, Tag("arcface")]
    | Annotated[CrossEntropySection, Tag("cross-entropy")],
    Discriminator(_loss_name),
]


class OptimiserSection(_Section):
    """The optimiser. AdaGrad is the paper's choice; muon learns fastest if normalisation follows each layer.

    rate : learning rate after warm-up
    warmup : steps of linear increase to `rate`
    schedule : 'cosine' decays to `final_share` of the rate along half a cosine; 'constant' does not decay
    momentum : for sgd and muon
    clip : largest norm of the gradient, 0 for no clipping
    """

    name: Literal["adagrad", "sgd", "adamw", "muon"] = "adagrad"
    rate: Annotated[float, Field(gt=0)] = 0.05
    warmup: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["cosine", "constant"] = "cosine"
    final_share: Share = 1.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(ge=0)] = 0.0


class WatchdogSection(_Section):
    """The watchdog, which rolls back when training fails: see `facespace.train.engine.watchdog`.

    window : steps that a sign of failure must last
    max_rollbacks : number of rollbacks before training stops with an error
    backoff : factor on the learning rate and on the mining hardness at each rollback
    """

    window: Annotated[int, Field(ge=1)] = 20
    max_rollbacks: Annotated[int, Field(ge=0)] = 5
    backoff: Annotated[float, Field(gt=0, lt=1)] = 0.5


class ValidationSection(_Section):
    """Measure VAL on the validation people, and keep the best checkpoint.

    every : steps between two measurements, 0 to measure only at the end
    faces : limit on the number of faces, drawn once by seed; 0 for all
    """

    every: Annotated[int, Field(ge=0)] = 0
    faces: Annotated[int, Field(ge=0)] = 0


class AugmentSection(_Section):
    """Data augmentation: random changes to each training face.

    flip : probability of mirroring
    rotate : largest rotation in degrees
    scale, shift : largest zoom and translation, as a share of the size
    light : largest change of contrast and brightness, as a share of the range
    colour : largest change of saturation; the colour of the light changes by up to half as much
    grey : probability of converting to grey
    turn : largest relative change of the width, to imitate a turned head
    frame : probability that one to three sides are outside the photo: up to 35 % of the face, slightly rotated, filled
        with black or another colour
    erase : probability of covering a rectangle of a tenth to a third of each side
    blur : probability of a Gaussian blur, up to 1.5 % of the width
    low_resolution : probability of scaling down, to a quarter of each side at most, and up again
    jpeg : probability of JPEG compression, at a quality of 20 to 90
    """

    flip: Share = 0.5
    rotate: Annotated[float, Field(ge=0, le=45)] = 8.0
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    light: Annotated[float, Field(ge=0, le=1)] = 0.2
    colour: Annotated[float, Field(ge=0, le=1)] = 0.0
    grey: Share = 0.0
    turn: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    frame: Share = 0.0
    erase: Share = 0.0
    blur: Share = 0.0
    low_resolution: Share = 0.0
    jpeg: Share = 0.0


class WhiteningSection(_Section):
    """Whitening: a linear map after the network, computed from the training faces when a run is exported.

    For small data sets of hundreds of photos: see `facespace.train.export.whitening`.

    shrinkage : regularisation of the within-person covariance; near 0 for none, 1 to weigh it and the identity equally
    copies : augmented copies of each training face, used in addition to the face itself
    mirror : average the embeddings of each face and its mirror image, also after export; doubles the embedding time
    """

    shrinkage: Annotated[float, Field(gt=0)] = 0.1
    copies: Annotated[int, Field(ge=0, le=100)] = 4
    mirror: bool = False


class Recipe(_Section):
    """A training recipe: everything that determines the result of a run.

    precision : 'bf16' runs the network in bfloat16; 'auto' does so if the device supports it natively
    compile : compile the network with torch.compile, which needs a C++ compiler: a minute at the start, then about a
        third faster on a CPU
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Count
    checkpoint_every: Count = 100
    compile: bool = False
    keep_checkpoints: Count = 3
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    data: DataSection
    network: NetworkSection
    batch: BatchSection
    mining: MiningSection = MiningSection()
    loss: LossSection = TripletSection()
    optimiser: OptimiserSection = OptimiserSection()
    augment: AugmentSection = AugmentSection()
    watchdog: WatchdogSection = WatchdogSection()
    validation: ValidationSection = ValidationSection()
    whitening: WhiteningSection | None = None

    @model_validator(mode="after")
    def _mining_is_used(self) -> "Recipe":
        if not self.loss.mines and self.mining != MiningSection():
            weight = ", or set loss.triplets" if self.loss.name == "distillation" else ""
            raise ValueError(
                f"[mining] selects triplets, but the loss {self.loss.name!r} as configured uses none: remove the "
                f"section{weight}"
            )
        return self


def read_recipe(path: str | os.PathLike[str], base: Path | None = None) -> Recipe:
    """Read a recipe; relative paths are resolved against `base`, by default the recipe's folder.

    Raises
    ------
    RecipeError
        The file does not exist, is not TOML (with the line), or has an invalid key (with the nearest known one) or
        value.
    """
    path = Path(path)
    try:
        values = read_toml(path)
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    recipe = parse_recipe(values, str(path))
    data, base = recipe.data, base or path.parent
    return recipe.model_copy(
        update={
            "data": data.model_copy(
                update={key: base / path for key in DATA_PATHS if (path := getattr(data, key)) is not None}
            )
        }
    )


def parse_recipe(values: object, where: str) -> Recipe:
    """Validate a recipe's values; raises RecipeError, which names each invalid key.

    Keys that were renamed still work, with a FacespaceWarning.
    """
    values, renamed = with_new_names(values)
    if renamed:
        changes = ", ".join(f"{old} is now {new}" for old, new in renamed)
        warnings.warn(
            f"the recipe {where} uses old names: {changes}; the old names will stop working in the next release",
            FacespaceWarning,
            stacklevel=2,
        )
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"the recipe {where} is not valid:\n{explain(error, Recipe, _REMOVED)}") from None


def with_new_names(values: object) -> tuple[object, list[tuple[str, str]]]:
    """Replace the names of sections and keys of earlier versions.

    Returns
    -------
    values : the recipe with new names, a copy if anything was replaced
    renamed : pairs of old and new names

    Raises
    ------
    RecipeError
        The recipe contains both the old and the new name of a section or key.
    """
    renamed: list[tuple[str, str]] = []
    if not isinstance(values, dict):
        return values, renamed
    values = _rename(values, _RENAMED_SECTIONS, "[{}]", renamed)
    for section, keys in _RENAMED_KEYS.items():
        part = values.get(section)
        if isinstance(part, dict):
            values[section] = _rename(part, keys, section + ".{}", renamed)
    return values, renamed


def _rename(
    values: dict[str, object], names: dict[str, str], shown: str, renamed: list[tuple[str, str]]
) -> dict[str, object]:
    for old, new in names.items():
        if old in values:
            if new in values:
                raise RecipeError(
                    f"the recipe has both {shown.format(old)} and its new name {shown.format(new)}; delete the old one"
                )
            values = {new if key == old else key: value for key, value in values.items()}
            renamed.append((shown.format(old), shown.format(new)))
    return values
