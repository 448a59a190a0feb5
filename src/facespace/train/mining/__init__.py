"""Triplet mining: select the triplets to train on (paper section 3.2).

Online miners search a batch; the offline miner searches a large pool of faces. Each miner is a pure function that
returns triplets as indices, with statistics. Nothing here is differentiated, and memory is O(batch squared): triplets
that are not returned are never listed.
"""

from facespace.train.mining.offline import PoolTriplets, hard_triplets, suspected_labels
from facespace.train.mining.online import (
    MINERS,
    OWN_HARDNESS,
    batch_all,
    batch_hard,
    distance_weighted,
    mine,
    semi_hard,
)
from facespace.train.mining.records import MiningStats, Triplets, squared_distance_matrix

__all__ = [
    "MINERS",
    "OWN_HARDNESS",
    "MiningStats",
    "PoolTriplets",
    "Triplets",
    "batch_all",
    "batch_hard",
    "distance_weighted",
    "hard_triplets",
    "mine",
    "semi_hard",
    "squared_distance_matrix",
    "suspected_labels",
]
