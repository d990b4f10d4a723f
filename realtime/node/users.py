"""Who a socket belongs to, as other processes are told: plain text, and no model instance."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class UserInfo:
    """The user of a socket. `model` is a label such as "auth.user", `pk` is text."""

    model: str
    pk: str
    name: str
