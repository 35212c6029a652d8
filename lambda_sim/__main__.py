"""``python -m lambda_sim``: the command."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Python looks first where we stand. There lies the function's code, and a http.py of its own
    # is no reason for us to break; unless it is there that this package was found.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path[0] == os.getcwd() != root:
        del sys.path[0]

    from lambda_sim.cli import main

    sys.exit(main())
