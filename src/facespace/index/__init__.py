"""The nearest of many points: exactly, through a graph, or all points among themselves.

Everything here is derived from points that are kept elsewhere, and may be thrown away and built again.
`ExactIndex` and `neighbours` need nothing beyond the base install, `HnswIndex` the extra `index` (faiss).
"""

from facespace.index.exact import ExactIndex
from facespace.index.graph import Neighbours, neighbours
from facespace.index.hnsw import HnswIndex
from facespace.index.open import open_index
from facespace.index.rows import Hits, Index

__all__ = ["ExactIndex", "Hits", "HnswIndex", "Index", "Neighbours", "neighbours", "open_index"]
