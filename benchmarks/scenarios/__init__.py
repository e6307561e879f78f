"""The scenarios: what is asked, of whom, and which goals are answered."""
