"""What the engine needs from the outside, as protocols of at most ten methods each."""
