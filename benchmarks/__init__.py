"""Measured side by side with AWS's own emulator, in one run, as ratios: ``make bench``."""
