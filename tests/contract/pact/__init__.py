"""A named consumer and scoring agree on what one says and the other reads, with nobody between."""
