"""The admin's pages of rooms, sockets, users and nodes. `realtime.admin` registers them.

They hold nothing: each request asks all processes. The views are sync, so that they work under ASGI
and in WSGI workers alike.
"""
