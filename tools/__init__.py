"""What developers run that is no test: the bench, the fault campaign and the proof.

Tools may import `tests.support`; tests may import what they check of a tool. Services and
libraries import neither.
"""
