"""A run's page, its curves, TensorBoard."""
