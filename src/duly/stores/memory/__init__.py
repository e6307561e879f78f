"""A store that lives in the memory of one process: for tests, and what the other stores are compared with."""
