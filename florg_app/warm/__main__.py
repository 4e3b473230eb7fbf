"""`python -m warm ARGUMENTS`: `florg supernode` where the project is not installed."""

import sys

from .supernode import main

sys.exit(main(sys.argv[1:]))
