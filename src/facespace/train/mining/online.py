"""Online mining: triplets from a batch of B faces, in O(B^2 log B) time and O(B^2) memory.

Two parameters control how hard the negatives are, for every miner that selects them by distance:

- `hardness` h: a negative must be farther than (1 - h) times the positive's distance. 0 is the paper's semi-hard
  selection; 1 allows the nearest negative, the hardest.
- `floor`: negatives closer than this squared distance are never selected. The closest negatives are often the same
  person under a wrong label, and training on them damages the space.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from facespace.train.mining.records import Triplets, pair_masks, squared_margin, stats_of

PairsChoice = Literal["all", "one"]

# Of squared distances: one for all pairs, or shape (b, b), of each anchor and positive.
Margin = float | Tensor

# distances (b, b), labels (b,), margin, hardness, floor, pairs, generator
Miner = Callable[[Tensor, Tensor, Margin, float, float, PairsChoice, torch.Generator | None], Triplets]

# With more triplets than this, a batch is sampled instead of listed: indices of 4 M triplets take 96 MB.
LARGEST_LISTING = 1 << 22

# Wu et al. 2017, section 4.2 and the authors' settings: distances below 0.5 count as 0.5, so that label noise is not
# oversampled; beyond 1.4 a negative gives no loss.
NEAREST_WEIGHTED, FARTHEST_WEIGHTED = 0.5, 1.4


@torch.no_grad()
def semi_hard(
    distances: Tensor,
    labels: Tensor,
    margin: Margin,
    hardness: float = 0.0,
    floor: float = 0.0,
    pairs: PairsChoice = "all",
    generator: torch.Generator | None = None,
) -> Triplets:
    """For each anchor-positive pair, take the nearest negative that is farther than the positive (paper section 3.2).

    Pairs whose nearest such negative is beyond the margin give no loss and are left out. If all negatives are closer
    than the positive, the farthest one is taken.

    Parameters
    ----------
    distances : float tensor, shape (b, b)
        Squared distances.
    labels : int tensor, shape (b,)
    margin : float, or float tensor of shape (b, b)
        Alpha in paper equation 1; of each anchor-positive pair if it is a tensor.
    hardness : float, 0 to 1
        How much closer than the positive a negative may be; see the module's description.
    floor : float
        Squared distance below which no negative is taken.
    pairs : 'all' or 'one'
        All anchor-positive pairs (as in the paper), or one random positive per anchor.
    generator : torch.Generator or None
        Draws the positives if `pairs` is 'one'.

    Returns
    -------
    Triplets
        At most one per ordered anchor-positive pair.
    """
    same, candidates = pair_masks(labels)
    candidates = _thin(candidates, pairs, generator)
    negatives, order = distances.masked_fill(same, torch.inf).sort(dim=1)
    last = (~same).sum(dim=1, keepdim=True) - 1
    min_distance = (distances * (1 - hardness)).clamp(min=floor).contiguous()
    beyond = torch.searchsorted(negatives, min_distance, right=hardness < 1)
    chosen = torch.minimum(beyond, last).clamp_(min=0)
    violation = distances + margin - negatives.gather(1, chosen)

    anchor, positive = torch.nonzero(candidates & (violation > 0), as_tuple=True)
    negative = order[anchor, chosen[anchor, positive]]
    hard = int((candidates & (negatives[:, :1] < distances)).sum())
    stats = stats_of(int(candidates.sum()), len(anchor), hard)
    return Triplets(anchor, positive, negative, stats, stats.pairs)


@torch.no_grad()
def batch_hard(
    distances: Tensor,
    labels: Tensor,
    margin: Margin,
    hardness: float = 1.0,
    floor: float = 0.0,
    pairs: PairsChoice = "all",
    generator: torch.Generator | None = None,
) -> Triplets:
    """For each anchor, take its farthest positive and nearest negative (Hermans, Beyer and Leibe 2017, equation 5).

    Parameters and result are as for `semi_hard`, except that `pairs` is ignored: there is one pair per anchor. A
    `hardness` below 1 selects an easier negative for the farthest positive.
    """
    same, candidates = pair_masks(labels)
    anchor = torch.nonzero(candidates.any(dim=1)).flatten()
    farthest, positive = distances.masked_fill(~candidates, -1)[anchor].max(dim=1)
    negatives = distances[anchor].masked_fill(same[anchor], torch.inf)
    min_distance = (farthest * (1 - hardness)).clamp(min=floor)[:, None]
    too_near = negatives < min_distance if hardness >= 1 else negatives <= min_distance
    nearest, negative = negatives.masked_fill(too_near, torch.inf).min(dim=1)
    mildest = negatives.masked_fill(same[anchor], -1).max(dim=1)
    none_left = nearest.isinf()
    nearest = torch.where(none_left, mildest.values, nearest)
    negative = torch.where(none_left, mildest.indices, negative)

    active = farthest + _margins(margin, anchor, positive) > nearest
    hard = int((negatives.amin(dim=1) < farthest).sum()) if len(anchor) else 0
    stats = stats_of(len(anchor), int(active.sum()), hard)
    return Triplets(anchor[active], positive[active], negative[active], stats, len(anchor))


@torch.no_grad()
def batch_all(
    distances: Tensor,
    labels: Tensor,
    margin: Margin,
    hardness: float = 1.0,
    floor: float = 0.0,
    pairs: PairsChoice = "all",
    generator: torch.Generator | None = None,
) -> Triplets:
    """Take every triplet of the batch that violates the margin (Hermans, Beyer and Leibe 2017, equation 6).

    Parameters and result are as for `semi_hard`, but a pair gives a triplet for each such negative. Triplets are
    counted before they are listed; of more than four million, a uniform sample of that size is drawn.
    """
    same, candidates = pair_masks(labels)
    candidates = _thin(candidates, pairs, generator)
    negatives, order = distances.masked_fill(same, torch.inf).sort(dim=1)
    min_distance = (distances * (1 - hardness)).clamp(min=floor).contiguous()
    first = torch.searchsorted(negatives, min_distance, right=hardness < 1)
    end = torch.searchsorted(negatives, (distances + margin).contiguous())
    anchor, positive = torch.nonzero(candidates, as_tuple=True)
    start = first[anchor, positive]
    counts = (end[anchor, positive] - start).clamp(min=0)
    ends = counts.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    if total > LARGEST_LISTING:
        wanted = torch.randint(total, (LARGEST_LISTING,), generator=generator)
        wanted = wanted.to(distances.device).sort().values
    else:
        wanted = torch.arange(total, device=distances.device)
    pair = torch.searchsorted(ends, wanted, right=True)
    place = start[pair] + wanted - (ends[pair] - counts[pair])
    hard = int((candidates & (negatives[:, :1] < distances)).sum())
    stats = stats_of(int(candidates.sum()), int((counts > 0).sum()), hard)
    return Triplets(anchor[pair], positive[pair], order[anchor[pair], place], stats, len(wanted))


@torch.no_grad()
def distance_weighted(
    distances: Tensor,
    labels: Tensor,
    margin: Margin,
    hardness: float = 1.0,
    floor: float = 0.0,
    pairs: PairsChoice = "all",
    generator: torch.Generator | None = None,
    dimension: int = 128,
) -> Triplets:
    """For each anchor-positive pair, draw one negative so that all distances are about equally likely.

    On a sphere of many dimensions nearly all negatives are at about the same distance. Each is drawn with a
    probability inverse to the density of its distance (Wu, Manmatha, Smola and Kraehenbuehl 2017, equation 6).

    Parameters and result are as for `semi_hard`.
    """
    same, candidates = pair_masks(labels)
    candidates = _thin(candidates, pairs, generator)
    apart = distances.clamp(min=NEAREST_WEIGHTED**2, max=3.999)
    # log q(D) for the plain distance D, q(D) ~ D^(d-2) (1 - D^2/4)^((d-3)/2)
    log_density = (dimension - 2) / 2 * apart.log() + (dimension - 3) / 2 * (1 - apart / 4).log()
    drawable = ~same & (distances >= floor)
    useful = drawable & (distances <= FARTHEST_WEIGHTED**2)
    # If all negatives of an anchor are too far, one must still be drawn; it will be inactive.
    useful = torch.where(useful.any(dim=1, keepdim=True), useful, drawable)
    logits = (-log_density).masked_fill(~useful, -torch.inf)
    chances = (logits - logits.amax(dim=1, keepdim=True).clamp(min=-1e30)).exp()

    anchors = candidates.any(dim=1) & useful.any(dim=1)
    candidates = candidates & anchors[:, None]
    anchor, positive = torch.nonzero(candidates, as_tuple=True)
    negative = anchor
    if len(anchor):
        max_draws = int(candidates.sum(dim=1).max())
        drawn = torch.multinomial(chances[anchors].cpu(), max_draws, replacement=True, generator=generator)
        row = anchors.cumsum(dim=0)[anchor] - 1
        turn = candidates.cumsum(dim=1)[anchor, positive] - 1
        negative = drawn.to(distances.device)[row, turn]
    active = distances[anchor, positive] + _margins(margin, anchor, positive) > distances[anchor, negative]
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1, keepdim=True)
    hard = int((candidates & (nearest < distances)).sum())
    stats = stats_of(int(candidates.sum()), int(active.sum()), hard)
    return Triplets(anchor[active], positive[active], negative[active], stats, stats.pairs)


# Default hardness of each miner.
OWN_HARDNESS = {"semi-hard": 0.0, "batch-hard": 1.0, "batch-all": 1.0, "distance-weighted": 1.0}

MINERS: dict[str, Miner] = {
    "semi-hard": semi_hard,
    "batch-hard": batch_hard,
    "batch-all": batch_all,
    "distance-weighted": distance_weighted,
}


def mine(
    name: str,
    distances: Tensor,
    labels: Tensor,
    margin: float,
    hardness: float,
    floor: float,
    pairs: PairsChoice,
    generator: torch.Generator,
    plain: bool = False,
) -> Triplets:
    """Mine a batch with the named miner; parameters as for `semi_hard`.

    `distances` are squared in any case. With `plain`, `margin` is one between plain distances.
    """
    reach = squared_margin(distances, margin) if plain else margin
    return MINERS[name](distances, labels, reach, hardness, floor, pairs, generator)


def _margins(margin: Margin, anchor: Tensor, positive: Tensor) -> Margin:
    """The margins of some pairs."""
    return margin[anchor, positive] if isinstance(margin, Tensor) else margin


def _thin(candidates: Tensor, pairs: PairsChoice, generator: torch.Generator | None) -> Tensor:
    """Return all anchor-positive pairs, or a random one per anchor."""
    if pairs == "all":
        return candidates
    draw = torch.rand(candidates.shape, generator=generator).to(candidates.device)
    chosen = draw.masked_fill(~candidates, -1).argmax(dim=1, keepdim=True)
    return torch.zeros_like(candidates).scatter_(1, chosen, True) & candidates
