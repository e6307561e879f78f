"""Every HTTP body, once, for the server and the client."""
