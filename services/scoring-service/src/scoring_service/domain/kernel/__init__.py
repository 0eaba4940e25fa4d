"""One kernel for every grading (ADR 56).

A scheme is a document: measures of a client's facts, ladders that cut a measure into rungs, and a
decision that maps the rungs to a tier. Nothing here does I/O, reads a clock or uses floats.

`documents` reads a document and refuses a wrong one by the path of its field. `measures/` has a
file for each kind of measure, `decisions/` one for each kind of decision; `ladders` joins a measure
and its rungs, `scheme` compiles all into one flat table, and `timeline` asks it: how a client
stands, and every change to come.
"""
