"""Who is in a room, over all processes."""
