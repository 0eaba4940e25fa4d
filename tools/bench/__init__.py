"""`make bench`: speed and memory, as ratios within one run, beside their goals."""
