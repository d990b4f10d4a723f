"""Who a socket belongs to, as other processes are told: plain text, and no model instance."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class UserInfo:
    """A user. `model` is a label such as "auth.user", and `pk` a string."""

    model: str
    pk: str
    name: str
