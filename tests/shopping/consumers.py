"""Who may be in a list's room, and what its members may send."""

from typing import Annotated

from django.core.validators import MaxLengthValidator, MinLengthValidator
from django.shortcuts import get_object_or_404

from realtime import SocketIOConsumer, event, namespace, room
from realtime.permissions import IsAuthenticated

from .models import List

Title = Annotated[str, MinLengthValidator(1), MaxLengthValidator(100)]


@namespace("/lists")
class ListConsumer(SocketIOConsumer):
    permission_classes = [IsAuthenticated]
    emits = {"reminder": str}

    @room("lists.<int:pk>", model=List, presence=True, recheck_on_save=True)
    def members(self, shopping_list):
        return shopping_list.members.contains(self.user)

    @event
    def add(self, pk: int, title: Title) -> int:
        return get_object_or_404(self.user.list_set, pk=pk).item_set.create(title=title).pk
