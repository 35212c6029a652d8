"""Read by the Python children of a race: they, too, switch between threads as often as may be."""

import sys

sys.setswitchinterval(1e-6)
