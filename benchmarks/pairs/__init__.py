"""The parts of the run of pairs: one database and one broker, mixed tasks, and everything that happens to a broker."""
