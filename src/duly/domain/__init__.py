"""What Duly is about, in pure Python: no clock, no randomness, no I/O."""
