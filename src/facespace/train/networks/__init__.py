"""Networks by name. Each maps (n, 3, height, width) to (n, dimension) with L2 norm 1."""

from facespace.train.networks.count import Size, size_of
from facespace.train.networks.registry import NETWORKS, NetworkRecord, build_network, network_record, network_size

__all__ = ["NETWORKS", "NetworkRecord", "Size", "build_network", "network_record", "network_size", "size_of"]
