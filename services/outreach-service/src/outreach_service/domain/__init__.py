"""The rules: plain Python, standard library only, time is an argument."""
