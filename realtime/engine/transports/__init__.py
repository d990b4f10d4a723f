"""How packets reach the client: HTTP long polling and websockets, under any ASGI server."""
