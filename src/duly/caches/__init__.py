"""Where status reads are answered without the database."""
