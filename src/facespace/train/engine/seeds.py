"""Random seeds of a run: each depends only on the recipe's seed, the step and the purpose."""

import numpy as np

_PURPOSES = {"augment": 3, "mining": 6, "network": 7}


def step_seed(seed: int, step: int, purpose: str) -> int:
    """Return the random seed for one purpose in one step."""
    return int(np.random.SeedSequence([seed, _PURPOSES[purpose], step]).generate_state(1, np.uint64)[0] >> 2)
