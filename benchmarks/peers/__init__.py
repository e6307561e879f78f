"""Peers, each run in an environment of its own by the same few commands: fill, work, watch, ..."""
