"""Authentication classes, which find the user of a client by a session or a token.

Names are imported on first use, so that PyJWT is imported only if a project uses it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import BaseAuthentication, Credential
    from .jwt import JWTAuthentication
    from .rest_framework import RestFrameworkTokenAuthentication
    from .session import SessionAuthentication
    from .signed import SignedTokenAuthentication, make_token
    from .tokens import TokenAuthentication
    from .views import token_view

__all__ = [
    "BaseAuthentication",
    "Credential",
    "JWTAuthentication",
    "RestFrameworkTokenAuthentication",
    "SessionAuthentication",
    "SignedTokenAuthentication",
    "TokenAuthentication",
    "make_token",
    "token_view",
]

_MODULES = {
    "BaseAuthentication": "base",
    "Credential": "base",
    "JWTAuthentication": "jwt",
    "RestFrameworkTokenAuthentication": "rest_framework",
    "SessionAuthentication": "session",
    "SignedTokenAuthentication": "signed",
    "TokenAuthentication": "tokens",
    "make_token": "signed",
    "token_view": "views",
}


if not TYPE_CHECKING:  # for type checkers it would be a promise that every name is there

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
