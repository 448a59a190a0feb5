"""Train a space: recipes, networks, mining, the training loop, checkpoints, export. Needs the extra `train`."""
