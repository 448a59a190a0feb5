"""facespace: one space for faces, three answers by distance in it."""
