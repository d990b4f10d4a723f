"""Private lists: rooms that clients join by a rule. A list is a group of Django's."""

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from realtime import SocketIOConsumer, event, namespace, room
from realtime.permissions import BasePermission, IsStaff

from .views import order


class NotBanned(BasePermission):
    message = "You are banned."
    code = "banned"

    def may_connect(self, consumer: SocketIOConsumer) -> bool:
        return not consumer.user.groups.filter(name="banned").exists()


@namespace("/lists")
class ListConsumer(SocketIOConsumer):
    permission_classes = [NotBanned]

    @room("lists.<int:pk>", model=Group, presence=True, recheck_on_save=True)
    def members(self, group: Group) -> bool:
        """A list that is open is anybody's."""
        return group.name.startswith("open") or self.user.groups.contains(group)

    @room("broken")
    async def broken(self) -> bool:
        raise EOFError("the rule has a bug")

    @event(permission_classes=[IsStaff])
    def rename(self, pk: int, name: str) -> None:
        Group.objects.filter(pk=pk).update(name=name)


@csrf_exempt
def change_list(request: HttpRequest) -> JsonResponse:
    """Do to a list, or to who may see it, what a page does."""
    _, (name, change, *others), _ = order(request)
    group, _ = Group.objects.get_or_create(name=name)
    users = User.objects.filter(username__in=others)
    if change == "add":
        group.user_set.add(*users)
    elif change == "remove":
        group.user_set.remove(*users)
    elif change == "save":
        group.save()
    elif change == "rename":
        group.name = others[0]
        group.save()
    elif change == "delete":
        group.delete()
    return JsonResponse({"pk": group.pk})
