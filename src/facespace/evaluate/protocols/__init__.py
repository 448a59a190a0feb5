"""Evaluation protocols, read from the usual file formats."""

from facespace.evaluate.protocols.by_name import NAMES, by_name
from facespace.evaluate.protocols.folder import (
    closed_set,
    groups_of_people,
    listed_search,
    open_set,
    pairs_of_people,
    people,
)
from facespace.evaluate.protocols.insightface import insightface_bin
from facespace.evaluate.protocols.lfw import lfw, lfw_dev
from facespace.evaluate.protocols.pair_list import pair_list
from facespace.evaluate.protocols.protocol import TRAINING, PairTrials, Protocol, SearchTrials

__all__ = [
    "NAMES",
    "TRAINING",
    "PairTrials",
    "Protocol",
    "SearchTrials",
    "by_name",
    "closed_set",
    "groups_of_people",
    "insightface_bin",
    "lfw",
    "lfw_dev",
    "listed_search",
    "open_set",
    "pair_list",
    "pairs_of_people",
    "people",
]
