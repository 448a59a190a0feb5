"""Run `facespace train` under torchrun: `torchrun --nproc-per-node 2 -m facespace.train RECIPE`."""

import sys

from facespace.cli.main import main

sys.argv[1:1] = ["train"]
main()
