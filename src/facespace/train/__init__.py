"""Training a space: recipes, networks, mining, the loop, checkpoints, export. Needs the extra `train`."""
