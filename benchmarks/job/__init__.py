"""The parts of the main job's run: what is submitted, who kills, and what must be true in the end."""
