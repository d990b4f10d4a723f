"""What keeps the admin's pages up to date: their live connection, and a room's feed of events."""
