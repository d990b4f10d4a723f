"""The demo site with the Socket.IO Admin UI, whose page is served as static files."""
