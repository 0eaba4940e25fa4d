"""The main job, seen live: real data through all of Rapport, then what came of it."""
