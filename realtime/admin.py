"""Registers the pages of rooms, sockets, users and nodes with the admin.

For an AdminSite of your own, register the models of `realtime.models` with these classes.
"""

from django.contrib import admin

from .admin_live.consumer import LiveAdminConsumer
from .admin_pages.nodes import NodeAdmin
from .admin_pages.rooms import RoomAdmin
from .admin_pages.sockets import SocketAdmin
from .admin_pages.users import OnlineUserAdmin
from .models import Node, OnlineUser, Room, Socket

# The consumer serves the pages' live connections, so its namespace exists where the admin does.
__all__ = ["LiveAdminConsumer", "NodeAdmin", "OnlineUserAdmin", "RoomAdmin", "SocketAdmin"]

admin.site.register(Room, RoomAdmin)
admin.site.register(Socket, SocketAdmin)
admin.site.register(OnlineUser, OnlineUserAdmin)
admin.site.register(Node, NodeAdmin)
