"""`torchrun --nproc-per-node 2 -m facespace.train RECIPE`: the command `facespace train`, as torchrun starts it."""

import sys

from facespace.cli.main import main

sys.argv[1:1] = ["train"]
main()
