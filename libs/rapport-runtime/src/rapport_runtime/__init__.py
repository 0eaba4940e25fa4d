"""How a Rapport service runs. Knows no client and no tier."""
