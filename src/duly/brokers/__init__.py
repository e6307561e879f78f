"""How ready tasks are made known to many machines."""
