"""The routes: each parses, calls the engine once, and says what came of it."""
