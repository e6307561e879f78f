"""What happens: submitting, claiming, running, settling, sweeping."""
