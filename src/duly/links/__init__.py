"""How Duly talks to servers that several of its parts use."""
