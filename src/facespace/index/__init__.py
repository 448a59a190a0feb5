"""Nearest-neighbour search: exact search of some points, and the neighbours of all points among themselves.

An index is derived from embeddings stored elsewhere; it can be deleted and rebuilt at any time.
"""

from facespace.index.exact import ExactIndex
from facespace.index.graph import Neighbours, neighbours
from facespace.index.open import open_index
from facespace.index.rows import Hits, Index

__all__ = ["ExactIndex", "Hits", "Index", "Neighbours", "neighbours", "open_index"]
