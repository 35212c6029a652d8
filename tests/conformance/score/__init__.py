"""Black-box cases of the contract, the same for AWS's emulator and for ours, and their score."""
