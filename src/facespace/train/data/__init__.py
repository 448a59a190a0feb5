"""The faces to learn from: sources, batches, augmentation."""
