"""The namespace that the doctor talks to: an echo, for whoever knows the site's SECRET_KEY.

Nobody gets in without a token that was signed with it a moment ago. A token opens one room of
random name, an echo of short texts, and the id of the node; it reveals nothing of other sockets.
"""

import secrets
from typing import Any

from django.core import signing

from ..consumers.consumer import SocketIOConsumer
from ..events import event
from ..exceptions import ConnectionRefused, EventError
from ..node import rooms
from ..routing import namespace

NAMESPACE = "/realtime/doctor"
SALT = "realtime.doctor"
#: Seconds that a token is valid, by the clocks of two machines.
MAX_AGE = 60
MAX_TEXT = 100
#: Why the doctor was refused.
EXPIRED, FORGED = "expired", "forged"


def new_token() -> tuple[str, str]:
    """A token, and the room that it opens."""
    room = f"doctor:{secrets.token_urlsafe(12)}"
    return signing.dumps(room, salt=SALT), room


def room_of(token: Any) -> str:
    """The room that a token opens. Raises ConnectionRefused."""
    try:
        room: str = signing.loads(token, salt=SALT, max_age=MAX_AGE)
    except signing.SignatureExpired:
        raise ConnectionRefused("This token is too old.", {"code": EXPIRED}) from None
    except (signing.BadSignature, TypeError, AttributeError):
        raise ConnectionRefused(
            "Only `manage.py realtime doctor` of this site.", {"code": FORGED}
        ) from None
    return room


@namespace(NAMESPACE)
class DoctorConsumer(SocketIOConsumer):
    # Its tokens are not those of users.
    authentication_classes = ()
    # A socket that can move to another process has an id that does not say where it is, and its
    # events have one more argument.
    recovery = False

    async def connect(self, auth: dict[str, Any] | None) -> None:
        self._room = room_of((auth or {}).get("token"))
        await self.join(self._room)

    @event
    async def echo(self, text: str) -> dict[str, str | None]:
        return {"text": _short(text), "node": rooms.node_of(self.sid)}

    @event
    async def say(self, text: str) -> None:
        """To all of this examination's sockets, in whichever process they are."""
        await self.emit("said", _short(text), to=self._room)


def _short(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise EventError(f"must be a string of at most {MAX_TEXT} characters", code="bad_text")
    return text
