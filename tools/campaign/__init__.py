"""`make campaign`: a seeded plan of faults against all processes, compared with the oracles."""
