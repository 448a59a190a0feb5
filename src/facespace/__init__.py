"""facespace: one space for faces, three answers by distance in it."""

__version__ = "0.1.0"
