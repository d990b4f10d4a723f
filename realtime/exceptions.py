"""The exceptions that realtime defines. Their messages say what to do."""

from collections.abc import Sequence
from typing import Any


class RealtimeError(Exception):
    """The base class of all exceptions that realtime defines."""


class ProtocolError(RealtimeError):
    """A client violated the protocol. Its connection is closed."""


class UnreadableData(ProtocolError):
    """The data of one packet can't be read. Only this packet is lost; later ones can be read.

    `packet` has the type, namespace and id of the packet. Don't use its data.
    """

    def __init__(self, fault: str, packet: Any) -> None:
        super().__init__(fault)
        self.packet = packet


class ConnectionRefused(RealtimeError):
    """Raise it in `connect` to refuse a client.

    The client's `connect_error` event gets an error with `message` and, if given, `data` (Socket.IO
    protocol 5, packet type 4).
    """

    def __init__(self, message: str = "Connection refused", data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class AuthenticationFailed(ConnectionRefused):
    """A client's token, or other credential, is not valid.

    Raise it in `authenticate` of an authentication class. The client's `connect_error` event
    gets an error with `message`, and with `code` in its data: `{"code": "invalid_token"}`.
    """

    def __init__(self, message: str = "Invalid token.", code: str = "invalid_token") -> None:
        super().__init__(message, {"code": code})
        self.code = code
        #: The class that it was raised by, for the log.
        self.by: str | None = None


class EventError(RealtimeError):
    """Raise it in a handler to acknowledge an event with an error, without a traceback in the log.

    The client receives `{"error": {"code": code, "message": message}}`, with `data` if given.
    """

    def __init__(self, message: str, code: str = "error", data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = data

    def as_dict(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return {"error": error}


#: So many faults are in an answer; a client that sent more nonsense has other worries.
MAX_FAULTS = 20


class BadArguments(EventError):
    """The arguments of an event don't match the annotations. Handlers may raise it, too.

    The acknowledgement has the code "bad_arguments", the message, and `errors`: a list of at most
    20 dicts such as `{"path": ["order", "items", 0], "message": ..., "code": ...}`. A path begins
    with the name of the parameter.
    """

    def __init__(self, errors: Sequence[dict[str, Any]]) -> None:
        self.errors = list(errors[:MAX_FAULTS])
        super().__init__(_summary(self.errors), code="bad_arguments")

    def as_dict(self) -> dict[str, Any]:
        answer = super().as_dict()
        answer["error"]["errors"] = self.errors
        return answer


def _summary(errors: Sequence[dict[str, Any]]) -> str:
    first, *others = errors
    path = ".".join(str(key) for key in first["path"])[:200]
    more = f" (and {len(others)} more)" if others else ""
    summary = f"{path}: {first['message']}{more}"
    # It goes to the log, and a part of it may be what the client sent.
    return "".join(char if char.isprintable() else "?" for char in summary)


class PermissionRefused(EventError):
    """A permission class, or the rule of a room, refused an event."""

    def __init__(
        self, message: str = "You may not do this.", data: Any = None, code: str = "forbidden"
    ) -> None:
        super().__init__(message, code=code, data=data)


class RoomError(EventError, ValueError):
    """An invalid room name, or a target that is not a room, sid, user or saved model instance.

    Room names often come from clients. If a handler doesn't catch it, the client gets the error in
    the acknowledgement, as for any EventError.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, code="bad_room")


class CallError(RealtimeError):
    """A client did not answer a `call`: it left, or the timeout expired."""

    #: The error code that a client gets if the handler of its event does not catch this error.
    code = "no_answer"


class CallTimeout(CallError, TimeoutError):
    """A client did not answer a `call` within its timeout."""


class RecoveryError(RealtimeError, ValueError):
    """`history` or `retain` was used in a namespace without recovery."""


class EmitError(RealtimeError):
    """An emit could not be handed to every process that may have members of the room."""


class SyncEmitInAsyncCode(EmitError):
    """A sync function was called in async code, where it would block the event loop."""


class ChannelLayerError(EmitError):
    """The channel layer is missing, down, or can't reach other processes."""
