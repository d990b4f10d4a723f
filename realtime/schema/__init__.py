"""What arguments are valid, and what a namespace's events are, for machines."""
