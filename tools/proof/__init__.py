"""`make proof`: one line for each claim, measured now, beside its goal."""
