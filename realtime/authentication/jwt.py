"""JSON Web Tokens, which an identity provider or another part of the site signs; by PyJWT."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured, ValidationError

from ..conf import settings
from .base import Credential
from .jwks import fetched_keys
from .tokens import TokenAuthentication, expired_token, invalid_token

try:
    import jwt
except ImportError:  # an extra
    is_installed = False
else:
    is_installed = True

#: The keys of REALTIME["JWT"], with their defaults; docs/authentication.md says what each is for.
DEFAULTS: Mapping[str, Any] = {
    "ALGORITHMS": [],
    "KEY": None,
    "JWKS_URL": None,
    "AUDIENCE": None,
    "ISSUER": None,
    "LEEWAY": 0,
    "REQUIRE": ["exp"],
    "CLAIMS": {},
    "USER_CLAIM": "sub",
    "USER_FIELD": "pk",
}
#: What Python says of JSON that nobody means well with: nested too deeply, numbers beyond floats.
UNREADABLE = (RecursionError, OverflowError, TypeError, ValueError)
HINT = (
    'Write, for example, REALTIME = {"JWT": {"ALGORITHMS": ["RS256"], "JWKS_URL": "https://...",'
    ' "AUDIENCE": "..."}}; docs/authentication.md explains the keys.'
)


class JWTAuthentication(TokenAuthentication):
    """Authenticates by a JSON Web Token. `REALTIME["JWT"]` says how tokens are verified.

    To accept several kinds of tokens, make a subclass with `options` of its own for each.
    """

    name = "JSON Web Token"
    #: Used instead of `REALTIME["JWT"]`, with the same keys.
    options: Mapping[str, Any] | None = None

    def is_mine(self, token: str) -> bool:
        return token.count(".") == 2 and token.startswith("ey")  # '{"' in base64

    def authenticate_token(self, token: str) -> tuple[Any, Credential]:
        options = self.get_options()
        claims = self.get_claims(token, options)
        user = self.get_user(claims)
        if user is None or not getattr(user, "is_active", True):
            raise invalid_token()
        return user, Credential(expires=_expires(claims, options), claims=claims)

    def get_user(self, claims: Mapping[str, Any]) -> Any:
        """Return the user that verified claims name, or None. Override it to look elsewhere."""
        options = self.get_options()
        value = claims.get(options["USER_CLAIM"])
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        users = get_user_model()._default_manager
        try:
            return users.filter(**{options["USER_FIELD"]: value}).first()
        except (ValueError, ValidationError, OverflowError):  # no value of this field
            return None

    def get_claims(self, token: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims of a token. Raise AuthenticationFailed if it is not valid."""
        for key in self.get_keys(token, options):
            try:
                claims = _decode(token, key, options)
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                continue  # another key's, or of another kind than this one
            except jwt.ExpiredSignatureError:
                raise expired_token() from None
            except (jwt.InvalidTokenError, *UNREADABLE):
                raise invalid_token() from None
            if any(claims.get(name) != value for name, value in options["CLAIMS"].items()):
                raise invalid_token()
            return claims
        raise invalid_token()

    def get_keys(self, token: str, options: Mapping[str, Any]) -> Sequence[Any]:
        """Return the keys that may have signed a token, from the settings or the provider."""
        if options["JWKS_URL"] is not None:
            return fetched_keys(options["JWKS_URL"], _key_id(token))
        return _keys(options)

    @classmethod
    def get_options(cls) -> Mapping[str, Any]:
        """Return the options in force. Raises ImproperlyConfigured."""
        faults = list(_faults(cls._chosen()))
        if faults:
            raise ImproperlyConfigured(f"{cls.__name__}: {faults[0]} {HINT}")
        return {**DEFAULTS, **cls._chosen()}

    @classmethod
    def check(cls) -> list[CheckMessage]:
        faults = list(_faults(cls._chosen())) or list(_unusable_keys(cls.get_options()))
        if faults:
            return [Error(f"{cls.__name__}: {f}", hint=HINT, id="realtime.E033") for f in faults]
        return _check_address(cls.get_options()["JWKS_URL"])

    @classmethod
    def _chosen(cls) -> Mapping[str, Any]:
        return settings.JWT if cls.options is None else cls.options


def _faults(chosen: Any) -> Iterator[str]:
    """What is wrong with options, in sentences that show no key."""
    if not is_installed:
        yield 'PyJWT is missing: pip install "PyJWT[crypto]".'
    if not isinstance(chosen, Mapping):
        yield 'REALTIME["JWT"] must be a dict.'
        return
    unknown = sorted(map(str, chosen.keys() - DEFAULTS.keys()))
    if unknown:
        yield f"unknown option {', '.join(unknown)}; there are {', '.join(DEFAULTS)}."
    options = {**DEFAULTS, **chosen}
    algorithms = options["ALGORITHMS"]
    if not _are_texts(algorithms) or not algorithms:
        yield 'ALGORITHMS must be a list of those that may sign, such as ["RS256"].'
    elif any(name.lower() == "none" for name in algorithms):
        yield 'ALGORITHMS must not have "none": anybody could make such a token.'
    elif {name[:2] for name in algorithms} > {"HS"}:
        yield "ALGORITHMS must not mix HS... with others: a public key is no secret."
    if (options["KEY"] is None) == (options["JWKS_URL"] is None):
        yield "one of KEY and JWKS_URL must be set, and not both."
    key = options["KEY"]
    if key is not None and not (isinstance(key, str | bytes) and key) and not _are_texts(key):
        yield "KEY must be a string, or a list of strings."
    if not (options["JWKS_URL"] is None or str(options["JWKS_URL"]).startswith("http")):
        yield "JWKS_URL must be an http(s) address."
    if not isinstance(options["LEEWAY"], int | float) or options["LEEWAY"] < 0:
        yield "LEEWAY must be a number of seconds, 0 or more."
    if not isinstance(options["CLAIMS"], Mapping) or not _are_texts(options["REQUIRE"]):
        yield "CLAIMS must be a dict of claims with their values, and REQUIRE a list of claims."


def _check_address(url: str | None) -> list[CheckMessage]:
    parts = urlsplit(url or "")
    if parts.scheme != "http" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return []
    return [
        Warning(
            f"JWKS_URL = {url!r} is fetched without encryption: whoever is on the way can put keys"
            " of their own in the place of the provider's, and log in as anybody.",
            hint="Use https://, or silence this check if the whole way is yours.",
            id="realtime.W034",
        )
    ]


def _unusable_keys(options: Mapping[str, Any]) -> Iterator[str]:
    """Keys that none of the algorithms can use, which would refuse every token in silence."""
    for nth, key in enumerate(_keys(options) if options["KEY"] else (), start=1):
        if not any(_can_use(name, key) for name in options["ALGORITHMS"]):
            yield f"KEY number {nth} is none for {', '.join(options['ALGORITHMS'])}."


def _can_use(algorithm: str, key: Any) -> bool:
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(key)
    except (jwt.PyJWTError, NotImplementedError, *UNREADABLE):
        return False
    return True


def _keys(options: Mapping[str, Any]) -> list[Any]:
    key = options["KEY"]
    return [key] if isinstance(key, str | bytes) else list(key)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, str) and v for v in value)


def _decode(token: str, key: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=list(options["ALGORITHMS"]),
        audience=options["AUDIENCE"],
        issuer=options["ISSUER"],
        leeway=options["LEEWAY"],
        options={"require": list(options["REQUIRE"])},
    )
    return claims


def _key_id(token: str) -> str | None:
    try:
        found = jwt.get_unverified_header(token).get("kid")
    except (jwt.InvalidTokenError, *UNREADABLE):
        raise invalid_token() from None
    return found if isinstance(found, str) else None


def _expires(claims: Mapping[str, Any], options: Mapping[str, Any]) -> float | None:
    # PyJWT has made sure that it is a number.
    return float(claims["exp"]) + options["LEEWAY"] if "exp" in claims else None
