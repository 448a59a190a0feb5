"""The model card: everything needed to use a network, stored in its ONNX file.

docs/reference/model-file.md describes every key for people who write a card by hand.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facespace.errors import ModelError
from facespace.metric import Calibration, Decision, Impostors, measurable_frr
from facespace.validation import Sha256, explain

Positive = Annotated[int, Field(gt=0)]
# Detectors that align faces alike, by the one that represents them in the space's id.
_ALIKE = {"one-shot": "mtcnn", "one-shot-tiles": "mtcnn"}


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputCard(_Record):
    """How pixels become the network's input: (pixel - mean) / std for each channel, with pixels in 0..255."""

    width: Positive
    height: Positive
    colour: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class ThresholdCard(_Record):
    """The squared distance within which two faces are the same person, at a false accept rate."""

    far: Annotated[float, Field(gt=0, lt=1)]
    threshold: Annotated[float, Field(ge=0, le=4)]
    low: Annotated[float, Field(ge=0, le=4)]
    high: Annotated[float, Field(ge=0, le=4)]


class CalibrationErrorCard(_Record):
    """Error of the probabilities on some pairs: expected calibration error, with equal weight for both kinds of pairs.

    data : which pairs it was measured on
    error : mean difference between the predicted probability and the observed fraction of same-person pairs, 0 to 1
    """

    data: Annotated[str, Field(min_length=1)]
    error: Annotated[float, Field(ge=0, le=1)]


class RejectionCard(_Record):
    """The squared distance beyond which two faces are different people, at a false reject rate.

    frr : fraction of same-person pairs beyond `distance`
    low, high : 95 % interval of `distance`
    """

    frr: Annotated[float, Field(gt=0, lt=1)]
    distance: Annotated[float, Field(ge=0, le=4)]
    low: Annotated[float, Field(ge=0, le=4)]
    high: Annotated[float, Field(ge=0, le=4)]


class CalibrationCard(_Record):
    """Log-odds of 'same person' = intercept + slope * squared distance.

    population : the data that the curve was fitted on, for which it is valid
    errors : its error on these and on other data
    """

    slope: Annotated[float, Field(lt=0)]
    intercept: float
    population: str | None = None
    errors: tuple[CalibrationErrorCard, ...] = ()


class ClusteringCard(_Record):
    """The agglomerative clustering for this space: linkage and cut (squared distance)."""

    linkage: Literal["average", "complete"]
    threshold: Annotated[float, Field(ge=0, le=4)]


class ImpostorTailCard(_Record):
    """Distances between strangers and templates of this many photos: thresholds at the rates `ImpostorsCard.fars`."""

    photos: Positive
    thresholds: Annotated[list[Annotated[float, Field(ge=0, le=4)]], Field(min_length=1)]


class ImpostorsCard(_Record):
    """Distances of strangers by false accept rate, from which a gallery computes its open-set threshold."""

    fars: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    tails: Annotated[list[ImpostorTailCard], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "ImpostorsCard":
        photos = [tail.photos for tail in self.tails]
        if photos[0] != 1 or any(a >= b for a, b in itertools.pairwise(photos)):
            raise ValueError(f"the tails must be for 1 photo and then for increasing numbers of photos, not {photos}")
        if any(a <= b for a, b in itertools.pairwise(self.fars)):
            raise ValueError("fars must decrease")
        for tail in self.tails:
            if len(tail.thresholds) > len(self.fars):
                raise ValueError(f"the tail for {tail.photos} photos has more thresholds than there are fars")
            if any(a < b for a, b in itertools.pairwise(tail.thresholds)):
                raise ValueError(f"thresholds must not increase as the rate decreases (tail for {tail.photos} photos)")
        return self


class DistancesCard(_Record):
    """Histograms of the squared distances that decisions were measured on, for display.

    step : width of a bin; bin i ranges from i * step to (i + 1) * step
    genuine, impostor : fraction of same-person and of different-person pairs in each bin; each sums to 1
    """

    step: Annotated[float, Field(gt=0, le=4)]
    genuine: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1, max_length=1000)]
    impostor: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _consistent(self) -> "DistancesCard":
        if len(self.genuine) != len(self.impostor):
            raise ValueError(f"{len(self.genuine)} bins of genuine but {len(self.impostor)} of impostor pairs")
        for name, shares in (("genuine", self.genuine), ("impostor", self.impostor)):
            if abs(sum(shares) - 1) > 1e-3:
                raise ValueError(f"the shares of {name} pairs sum to {sum(shares):.4g}, not to 1")
        return self


class ShareCard(_Record):
    """A proportion with its 95 % interval."""

    value: Annotated[float, Field(ge=0, le=1)]
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]


class GroupThresholdCard(ThresholdCard):
    """The squared distance at which no measured group of strangers exceeds a false accept rate.

    group : the group that determines it
    groups : number of groups with enough pairs for this rate
    val : fraction of the validation people's same-person pairs accepted there
    """

    group: str
    groups: Positive
    val: ShareCard | None = None


class StatedThresholdCard(_Record):
    """A threshold for which the rate of each group is given.

    holds_for : 'worst group', or 'average pair' if it was measured on pairs of all kinds
    """

    far: Annotated[float, Field(gt=0, lt=1)]
    threshold: Annotated[float, Field(ge=0, le=4)]
    holds_for: Literal["worst group", "average pair"]


class GroupRatesCard(_Record):
    """How often strangers of one group are accepted as the same person, at each of `GroupsCard.at`."""

    column: str
    name: str
    faces: Positive
    pairs: Positive
    rates: Annotated[tuple[ShareCard, ...], Field(min_length=1)]


class GroupsCard(_Record):
    """Strangers within groups, measured in addition to the validation people.

    data, faces : the source of the faces, and their number
    by : the columns whose combinations are the groups that determine the thresholds
    thresholds : for each false accept rate that the groups can measure
    at : the thresholds at which `groups` give their rates
    groups : the determining groups first, then those by other columns
    """

    data: Annotated[str, Field(min_length=1)]
    faces: Positive
    by: Annotated[tuple[str, ...], Field(min_length=1)]
    thresholds: Annotated[tuple[GroupThresholdCard, ...], Field(min_length=1)]
    at: Annotated[tuple[StatedThresholdCard, ...], Field(min_length=1)]
    groups: tuple[GroupRatesCard, ...] = ()

    def deciding(self, far: float) -> int:
        """Number of groups measured at a false accept rate; 0 if it is not in `thresholds`."""
        return next((entry.groups for entry in self.thresholds if abs(entry.far - far) <= 1e-9 * far), 0)

    @model_validator(mode="after")
    def _consistent(self) -> "GroupsCard":
        ordered = sorted(self.thresholds, key=lambda entry: entry.far)
        if any(a.threshold > b.threshold for a, b in itertools.pairwise(ordered)):
            raise ValueError("thresholds of the worst group must not decrease as the false accept rate increases")
        for group in self.groups:
            if len(group.rates) != len(self.at):
                raise ValueError(f"{group.name} has {len(group.rates)} rates for {len(self.at)} thresholds")
        return self


class DecisionsCard(_Record):
    """What distances mean in this space, and the data on which that was measured.

    thresholds : for the average pair of strangers
    groups : for the worst of several groups of strangers, if they were measured; they take precedence
    """

    data: Annotated[str, Field(min_length=1)]
    people: Positive
    genuine_pairs: Positive
    impostor_pairs: Positive
    default_far: float
    thresholds: Annotated[list[ThresholdCard], Field(min_length=1)]
    rejections: list[RejectionCard] = []
    default_frr: float | None = None
    calibration: CalibrationCard
    clustering: ClusteringCard
    impostors: ImpostorsCard | None = None
    distances: DistancesCard | None = None
    groups: GroupsCard | None = None

    @property
    def fars(self) -> tuple[float, ...]:
        """The false accept rates with a threshold, decreasing."""
        groups = () if self.groups is None else self.groups.thresholds
        return tuple(sorted({entry.far for entry in (*self.thresholds, *groups)}, reverse=True))

    def threshold(self, far: float) -> float | None:
        """The squared distance within which two faces are the same person; None if `far` was not measured.

        If groups were measured, neither the average pair nor any group exceeds the rate. A rate that the groups are too
        small to measure uses the average's threshold, but none looser than the groups' at a higher rate.
        """
        average = _threshold_of(self.thresholds, far)
        if self.groups is None:
            return average
        worst = _threshold_of(self.groups.thresholds, far)
        if average is None and worst is None:
            return None
        bounds = [entry.threshold for entry in self.groups.thresholds if entry.far > far * (1 + 1e-9)]
        return min(found for found in (average, worst, *bounds) if found is not None)

    @model_validator(mode="after")
    def _consistent(self) -> "DecisionsCard":
        if self.default_far not in self.fars:
            raise ValueError(f"default_far {self.default_far:g} is not among the thresholds' rates {list(self.fars)}")
        ordered = sorted(self.thresholds, key=lambda entry: entry.far)
        if any(a.threshold > b.threshold for a, b in itertools.pairwise(ordered)):
            raise ValueError("thresholds must not decrease as the false accept rate increases")
        frrs = [entry.frr for entry in self.rejections]
        if (self.default_frr is not None or frrs) and self.default_frr not in frrs:
            raise ValueError(f"default_frr {self.default_frr} is not among the rejections' rates {frrs}")
        by_rate = sorted(self.rejections, key=lambda entry: entry.frr)
        if any(a.distance < b.distance for a, b in itertools.pairwise(by_rate)):
            raise ValueError("the distances of rejections must not increase with the false reject rate")
        return self

    def rejection(self) -> tuple[float, float] | None:
        """The false reject rate to decide at, and the squared distance beyond which that fraction of genuine pairs is.

        From `rejections`; for older cards without them, from the histogram of genuine distances, to the width of a bin.
        None if the card has neither.
        """
        for entry in self.rejections:
            if entry.frr == self.default_frr:
                return entry.frr, entry.distance
        frr = measurable_frr(self.genuine_pairs)
        if self.distances is None or frr is None:
            return None
        shares = self.distances.genuine
        beyond = list(itertools.accumulate(reversed(shares), initial=0.0))[::-1]  # from each bin to the last
        bar = next(bar for bar, share in enumerate(beyond) if share <= frr)
        return frr, min(4.0, bar * self.distances.step)


def _threshold_of(entries: Iterable[ThresholdCard], far: float) -> float | None:
    return next((entry.threshold for entry in entries if abs(entry.far - far) <= 1e-9 * far), None)


class FigureCard(_Record):
    """A measured figure: what, on which data, and its 95 % interval if it has one."""

    name: Annotated[str, Field(min_length=1)]
    value: float
    low: float | None = None
    high: float | None = None
    data: Annotated[str, Field(min_length=1)]
    note: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "FigureCard":
        if (self.low is None) != (self.high is None):
            raise ValueError("give both low and high of an interval, or neither")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"the value {self.value:g} lies outside its interval {self.low:g} to {self.high:g}")
        return self


class LimitCard(_Record):
    """A known weakness of the network, as far as it was measured."""

    condition: Annotated[str, Field(min_length=1)]
    figure: FigureCard | None = None


class StageCard(_Record):
    """A stage of training: objective, data, and result."""

    name: Annotated[str, Field(min_length=1)]
    method: Annotated[str, Field(min_length=1)]
    data: str
    people: Annotated[int, Field(ge=0)]
    photos: Annotated[int, Field(ge=0)]
    steps: Annotated[int, Field(ge=0)]
    hours: Annotated[float, Field(ge=0)] | None = None
    figures: tuple[FigureCard, ...] = ()
    recipe: dict[str, Any] = {}


class TrainingCard(_Record):
    """Origin of the weights: data and recipe of the last stage, and every stage if there were several."""

    data: str
    people: int
    photos: int
    steps: int
    recipe: dict[str, Any]
    stages: tuple[StageCard, ...] = ()


class QuantisedCard(_Record):
    """How an int8 network was made from a float32 one.

    drift : mean squared distance between the two networks' embeddings of the same face
    """

    weights_sha256: Sha256
    data: str
    faces: Positive
    drift: Annotated[float, Field(ge=0, le=4)]


class Card(_Record):
    """A model card. Frozen; unknown keys are rejected, so that a typing error does not go unnoticed.

    mirror : the network also runs on the mirror image of each face; the embedding is the normalised sum of both outputs
    comparable_with : id of the space whose embeddings can be compared with this model's (harmonic embedding, paper
        appendix A); no other space's can
    """

    format: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    version: str
    weights_sha256: Sha256
    dimension: Positive
    normalised: bool
    detector: str
    crop: str
    input: InputCard
    mirror: bool = False
    licence: str
    data_terms: str
    decisions: DecisionsCard | None = None
    comparable_with: Sha256 | None = None
    training: TrainingCard | None = None
    quantised: QuantisedCard | None = None
    figures: tuple[FigureCard, ...] = ()
    limits: tuple[LimitCard, ...] = ()

    @classmethod
    def parse(cls, values: object, where: str) -> "Card":
        """Check a card read from JSON or TOML.

        Raises
        ------
        ModelError
            The card is invalid; the message names each wrong key, and `where` the card is.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ModelError(f"the model card in {where} is invalid:\n{explain(error, cls)}") from None

    @property
    def space_id(self) -> str:
        """Id of the space (hex sha256): it covers the weights and everything that changes their output.

        Thresholds, calibration and descriptions are not included: they say what a distance means, and can be measured
        again without changing any embedding.
        """
        preparation = self.model_dump(
            mode="json", include={"weights_sha256", "dimension", "normalised", "detector", "crop", "input"}
        )
        # Both place landmarks alike (docs/decisions/014-one-shot-detector.md): galleries outlive the change from one
        # to the other.
        preparation["detector"] = _ALIKE.get(self.detector, self.detector)
        # Only if set, so that the ids of older cards, which lack the key, stay the same.
        if self.mirror:
            preparation["mirror"] = True
        return hashlib.sha256(json.dumps(preparation, sort_keys=True).encode()).hexdigest()

    def require_decisions(self) -> DecisionsCard:
        """Thresholds and calibration; ModelError if they were not measured."""
        if self.decisions is None:
            raise ModelError(
                f"the card of model {self.name!r} has no thresholds, so a distance cannot be judged; "
                "measure them on people the network was not trained on: "
                "facespace evaluate MODEL --people FOLDER --write-card"
            )
        return self.decisions

    def threshold(self, far: float | None = None) -> float:
        """The squared distance within which two faces are the same person, at a FAR of the card.

        If the card has measured groups of strangers, it is valid for the worst of them, otherwise for the average pair.

        Raises
        ------
        ModelError
            The card has no thresholds, or none for this rate.
        """
        decisions = self.require_decisions()
        wanted = decisions.default_far if far is None else far
        found = decisions.threshold(wanted)
        if found is not None:
            return found
        known = ", ".join(f"{far:g}" for far in decisions.fars)
        raise ModelError(
            f"model {self.name!r} has no threshold for a false accept rate of {wanted:g}; its card has {known}"
        )

    def decision(self, far: float | None = None) -> Decision:
        """The distances that separate 'same person', 'too close to call' and 'different people', at a FAR of the card.

        Raises
        ------
        ModelError
            As for `threshold`.
        """
        accept, decisions = self.threshold(far), self.require_decisions()
        frr, reject = decisions.rejection() or (None, None)
        wanted = decisions.default_far if far is None else far
        return Decision(
            accept, wanted, reject, frr, 0 if decisions.groups is None else decisions.groups.deciding(wanted)
        )

    def impostors(self) -> Impostors:
        """Distances of strangers by false accept rate; ModelError if the card has no thresholds at all.

        For an older card without tails, its few thresholds are used, for single photos only.
        """
        decisions = self.require_decisions()
        if decisions.impostors is None:
            ordered = sorted(decisions.thresholds, key=lambda entry: -entry.far)
            return Impostors(
                tuple(entry.far for entry in ordered), (1,), (tuple(entry.threshold for entry in ordered),)
            )
        measured = decisions.impostors
        return Impostors(
            tuple(measured.fars),
            tuple(tail.photos for tail in measured.tails),
            tuple(tuple(tail.thresholds) for tail in measured.tails),
        )

    def calibration(self) -> Calibration:
        """The curve from squared distance to probability; ModelError if the card has none."""
        entry = self.require_decisions().calibration
        return Calibration(slope=entry.slope, intercept=entry.intercept)
