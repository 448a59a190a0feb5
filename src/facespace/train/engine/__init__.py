"""The training loop and what keeps it running: checkpoints, watchdog, processes."""
