"""Registers the pages of rooms, sockets, users and nodes with the admin.

For an AdminSite of your own, register the models of `realtime.models` with these classes.
"""

from django.apps import apps

# A template library imports from this package in every project, also in one without the admin.
if apps.is_installed("django.contrib.admin"):
    from django.contrib import admin

    from ..models import Node, OnlineUser, Room, Socket
    from .live.consumer import LiveAdminConsumer
    from .pages.nodes import NodeAdmin
    from .pages.rooms import RoomAdmin
    from .pages.sockets import SocketAdmin
    from .pages.users import OnlineUserAdmin

    # The consumer serves the pages' live connections, so its namespace exists where the admin does.
    __all__ = ["LiveAdminConsumer", "NodeAdmin", "OnlineUserAdmin", "RoomAdmin", "SocketAdmin"]

    admin.site.register(Room, RoomAdmin)
    admin.site.register(Socket, SocketAdmin)
    admin.site.register(OnlineUser, OnlineUserAdmin)
    admin.site.register(Node, NodeAdmin)
