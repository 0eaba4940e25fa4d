"""Playbooks and texts as people write them: JSON, read by pydantic into the domain's types.

A document goes through two checks. Its shape is the pydantic model; its meaning is a function of
the domain (`faults_of`, `lint`, `without_template`), which sees the document once it has its shape.
Each check reports all that it finds, as an `InvalidDocument` with one `Fault` a place.

To add a field, for example `priority` to a play:

1. domain: the attribute of `Play` in `domain/playbook.py`, and what it means there. A rule between
   several fields goes into `faults_of`, with the place of what is wrong.
2. here: the field of `PlayDocument` in `playbooks.py`, with its type, limits and default, and its
   line in `to_domain`. Fields without a default come first; a new one has a default, or every
   document that people have becomes invalid.
3. `make schemas` writes the published schemas anew; they come from the models.
4. tests: a line in the table of faults of `tests/unit/outreach_service/test_playbook.py`.
"""
