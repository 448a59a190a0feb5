"""Nearest-neighbour search: exact, approximate through a graph, and all points among themselves.

An index is derived from embeddings stored elsewhere; it can be deleted and rebuilt at any time.
`ExactIndex` and `neighbours` need only the base install, `HnswIndex` needs the extra `index` (faiss).
"""

from facespace.index.exact import ExactIndex
from facespace.index.graph import Neighbours, neighbours
from facespace.index.hnsw import HnswIndex
from facespace.index.open import open_index
from facespace.index.rows import Hits, Index

__all__ = ["ExactIndex", "Hits", "HnswIndex", "Index", "Neighbours", "neighbours", "open_index"]
