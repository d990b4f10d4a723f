"""What moves in the admin: live pages, feeds of events, the Socket.IO Admin UI."""
