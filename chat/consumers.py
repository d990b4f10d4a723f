"""What the pages send over their sockets, and the lobby, where any Socket.IO client may talk."""

from typing import Any

from channels.db import database_sync_to_async
from django.core.validators import slug_re

from chat.forms import MessageForm
from chat.models import Announcement, Membership, Room, person
from realtime import EventError, SocketIOConsumer, aroom_sizes, event, namespace
from realtime.exceptions import ChannelLayerError
from realtime.permissions import IsAuthenticated

NAMESPACE = "/chat"
MAX_JOINED = 200
MAX_TEXT = 4_000
ID_LIMIT = 2**63


@namespace(NAMESPACE)
class ChatConsumer(SocketIOConsumer):
    """The pages of people who are logged in.

    Each event has one argument, an object, in which `room` is a room's slug. Errors have the codes
    `not_found`, `not_in_room`, `invalid` and `unavailable`. A socket hears of every room that its
    user has joined; `open` says which one its page shows, and there its user is present.
    A page whose socket is recovered has all of that again, and what was said meanwhile.
    """

    permission_classes = [IsAuthenticated]
    # A laptop that sleeps for as many seconds comes back to a page that misses nothing.
    recovery = {"WINDOW": 900}

    async def connect(self, auth: Any) -> None:
        memberships = Membership.objects.filter(user=self.user)
        if self.recovered:
            # It has its rooms again, of which its user may have left some on another page.
            kept = {pk async for pk in memberships.values_list("room_id", flat=True)}
            for pk in set(self.data["rooms"]) - kept:
                await self.leave(Room(pk=pk))
        joined = memberships.select_related("room").order_by("-joined")
        async for membership in joined[:MAX_JOINED]:
            await self.hear(membership.room)

    @event
    def hello(self) -> dict[str, Any]:
        """What the frame of a page shows, sent again after each connection: it may have changed."""
        memberships = Membership.objects.filter(user=self.user).select_related("room").with_unread()
        active = Announcement.objects.filter(active=True)
        return {
            "unread": {membership.room.slug: membership.unread for membership in memberships},
            "announcements": [announcement.as_dict() for announcement in active],
        }

    @event
    async def open(self, data: Any) -> dict[str, Any]:
        """The page shows `room`, with its messages up to the id `after`: it gets the later ones."""
        room = await database_sync_to_async(self.enter)(slug(data))
        # Joined before the messages are read: one stored in between comes twice instead of never.
        await self.hear(room, presence=True)
        page = database_sync_to_async(room.messages.page_after)
        messages, more = await page(number(data, "after"))
        return {"messages": [m.as_dict() for m in messages], "more": more}

    @event
    def history(self, data: Any) -> dict[str, Any]:
        """The page of messages before the id `before`, oldest first, and whether there are more."""
        room = self.membership(data).room
        messages, more = room.messages.latest_page(before=number(data, "before"))
        return {"messages": [message.as_dict() for message in messages], "more": more}

    @event("send")
    def store(self, data: Any) -> dict[str, Any]:
        """Stores `text` and `image` (bytes) and tells the room.

        Sent again with the same `client_id`, the message is stored once. The room hears of it
        again, in case that is what went wrong; its pages know a message by its id.
        """
        room = self.membership(data).room
        form = MessageForm.from_event(data)
        if not form.is_valid():
            raise EventError(form.first_error(), code="invalid", data=form.errors.get_json_data())
        message = form.save(room, self.user).as_dict()
        self.emit("message", message, to=room, skip_self=True)
        return {"message": message}

    @event
    def read(self, data: Any) -> None:
        """The user has seen the messages up to `id`; their other pages clear the mark too."""
        membership = self.membership(data)
        membership.read_up_to(number(data, "id"))
        self.emit("read", {"room": membership.room.slug}, to=self.user, skip_self=True)

    @event
    async def typing(self, data: Any) -> None:
        membership = await database_sync_to_async(self.membership)(data)
        news = {
            "room": membership.room.slug,
            "user": person(self.user),
            "typing": data.get("typing") is True,
        }
        await self.emit("typing", news, to=membership.room, skip_self=True, volatile=True)

    @event
    async def members(self, data: Any) -> dict[str, Any]:
        """The latest members of the room, and whether they have any page of the chat open."""
        membership = await database_sync_to_async(self.membership)(data)
        members = await database_sync_to_async(membership.room.latest_members)()
        try:
            # One question to all processes; is_online() would be one for each member.
            pages = await aroom_sizes(members, namespace=NAMESPACE)
        except ChannelLayerError as error:
            message = "The other servers can't be reached right now."
            raise EventError(message, code="unavailable") from error
        return {"members": [person(user) | {"online": pages[user] > 0} for user in members]}

    async def hear(self, room: Room, *, presence: bool = False) -> None:
        await self.join(room, presence=presence)
        heard = self.data.setdefault("rooms", [])
        if room.pk not in heard:
            heard.append(room.pk)

    def enter(self, slug: str) -> Room:
        """The room, which its user is a member of from now on: opening a room is joining it."""
        room = Room.objects.filter(slug=slug).first()
        if room is None:
            raise EventError("There is no such room.", code="not_found")
        Membership.objects.get_or_create(room=room, user=self.user)
        return room

    def membership(self, data: Any) -> Membership:
        found = Membership.objects.select_related("room").filter(
            user=self.user, room__slug=slug(data)
        )
        if membership := found.first():
            return membership
        raise EventError("You are not in this room.", code="not_in_room")


@namespace("/")
class LobbyConsumer(SocketIOConsumer):
    """For any client, logged in or not: the events of the usual Socket.IO tutorials.

    Nothing is stored. See docs/classics.md for the pages.
    """

    @event("join")
    async def enter_room(self, data: Any) -> dict[str, Any]:
        """`join` with a room's name, or with `{room}`."""
        room = room_name(data)
        await self.join(room)
        return {"ok": True, "room": room}

    @event("leave")
    async def leave_room(self, data: Any) -> dict[str, Any]:
        room = room_name(data)
        await self.leave(room)
        return {"ok": True, "room": room}

    @event
    async def message(self, data: Any) -> dict[str, Any]:
        """`message` with a text goes to everyone; with `{room, text}` its text goes to the room."""
        if isinstance(data, str):
            await self.broadcast("message", words(data))
        else:
            room = room_name(data)
            await self.emit("message", text(data, "text", limit=MAX_TEXT), to=room)
        return {"ok": True}

    @event
    async def chat(self, data: Any) -> dict[str, Any]:
        """`chat` with a text goes to everyone in this namespace."""
        await self.broadcast("chat", words(data))
        return {"ok": True}

    @event("chat message")
    async def chat_message(self, data: Any) -> dict[str, Any]:
        """`chat message` with a text goes to everyone in this namespace."""
        await self.broadcast("chat message", words(data))
        return {"ok": True}


def words(data: Any) -> str:
    return text({"text": data}, "text", limit=MAX_TEXT)


def room_name(data: Any) -> str:
    name = text({"room": data} if isinstance(data, str) else data, "room", limit=100)
    if name.startswith("~"):
        # These are the rooms of single sockets and of model instances, users among them.
        raise EventError("Room names that begin with ~ are reserved.", code="invalid")
    return name


def slug(data: Any) -> str:
    name = text(data, "room")
    # Other strings may hold what a database can't even look for, such as half a surrogate pair.
    if not slug_re.match(name):
        raise EventError("'room' must be the slug of a room.", code="invalid")
    return name


def text(data: Any, key: str, limit: int = 100) -> str:
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise EventError(f"{key!r} must be a string of 1 to {limit} characters.", code="invalid")
    return value


def number(data: Any, key: str) -> int:
    value = data.get(key) if isinstance(data, dict) else None
    # True is an int in Python; no database stores more than 64 bits.
    if type(value) is not int or not 0 <= value < ID_LIMIT:
        raise EventError(f"{key!r} must be a whole number of at least 0.", code="invalid")
    return value
