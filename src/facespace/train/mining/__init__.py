"""Which triplets training sees: the heart of it (paper section 3.2).

Online miners look inside a batch, the offline miner through a whole pool of faces. Each is a pure function that
returns index triplets with what it saw on the way; nothing in here is differentiated, and no triplet is listed
that is not returned.
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
