"""``python -m lambda_sim``: the command."""

from __future__ import annotations

import sys

from lambda_sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
