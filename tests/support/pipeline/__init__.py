"""All processes together for some simulated weeks, compared with the oracles at the end.

The end-to-end test, the proof and the fault campaign run it.
"""
