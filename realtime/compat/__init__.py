"""python-socketio's API: server methods, handlers, client manager, environ."""
