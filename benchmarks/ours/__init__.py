"""What Duly itself does in the scenarios."""
