"""Floors: bare loops on a database with the same durable steps and nothing else."""
