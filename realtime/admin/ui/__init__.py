"""The Socket.IO Admin UI, served by a consumer behind Django's staff permissions."""
