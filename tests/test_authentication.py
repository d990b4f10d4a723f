"""Who a client is, by a session or a token, through the real server in this process."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.authtoken.models import Token

from realtime import (
    ConnectionRefused,
    SocketIOConsumer,
    emit,
    event,
    fetch_sockets,
    is_online,
    routing,
)
from realtime import namespace as serve
from realtime.authentication import (
    BaseAuthentication,
    Credential,
    JWTAuthentication,
    RestFrameworkTokenAuthentication,
    SessionAuthentication,
    SignedTokenAuthentication,
    TokenAuthentication,
    jwks,
    make_token,
    token_view,
)
from realtime.authentication.identity import authenticate
from realtime.engine.wheel import TimerWheel
from realtime.exceptions import AuthenticationFailed
from realtime.node import rooms
from realtime.permissions import IsAuthenticated
from realtime.revocation.expiry import STEP, Expiries
from realtime.testing import SocketIOClient, SocketIOCommunicator
from tests.relatives import as_child

NAMESPACE = "/tokens"
SECRET = "a secret of thirty-two characters"
CLASSES = {
    "session": SessionAuthentication,
    "signed": SignedTokenAuthentication,
    "drf": RestFrameworkTokenAuthentication,
    "jwt": JWTAuthentication,
}
INVALID, EXPIRED = {"code": "invalid_token"}, {"code": "token_expired"}


class Whoever(SocketIOConsumer):
    authentication_classes = (
        SessionAuthentication,
        SignedTokenAuthentication,
        JWTAuthentication,
        RestFrameworkTokenAuthentication,
    )

    @event
    async def who(self) -> list[Any]:
        claims = {} if self.credential is None else dict(self.credential.claims)
        return [self.user.get_username(), sorted(self.rooms), claims.get("scope")]


class Members(Whoever):
    permission_classes = (IsAuthenticated,)


@pytest.fixture(autouse=True)
def served(settings: Any) -> Iterator[None]:
    settings.REALTIME = {
        **getattr(settings, "REALTIME", {}),
        "TOKEN_SOURCES": ["auth", "header", "query"],
        "JWT": {"ALGORITHMS": ["HS256"], "KEY": SECRET, "AUDIENCE": "site", "ISSUER": "us"},
    }
    kept = list(routing._routes)
    serve(NAMESPACE)(Whoever)
    serve("/members")(Members)
    yield
    routing._routes[:] = kept


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password="ada")


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_user("grace", password="grace")


def signed(user: User, **options: Any) -> str:
    return make_token(user, **options)


def of_rest_framework(user: User) -> str:
    return Token.objects.get_or_create(user=user)[0].key


def json_web(user: User, key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    told = {"sub": str(user.pk), "exp": time.time() + 600, "aud": "site", "iss": "us", **claims}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, key, algorithm=algorithm)


KINDS: dict[str, Callable[[User], str]] = {
    "signed": signed,
    "drf": of_rest_framework,
    "jwt": json_web,
}
NAMES = {"signed": "signed token", "drf": "REST framework token", "jwt": "JSON Web Token"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def connected(token: str | None, namespace: str = NAMESPACE, **options: Any) -> SocketIOClient:
    return SocketIOClient(namespace, **options).connect({"token": token})


def refused(token: Any, namespace: str = NAMESPACE, **options: Any) -> Any:
    with pytest.raises(ConnectionRefused) as caught:
        SocketIOClient(namespace, **options).connect({"token": token})
    return caught.value.data


# Tokens of each class


@pytest.mark.parametrize("place", ["auth", "auth with a scheme", "header", "query"])
def test_token_says_who_a_client_is(ada: User, kind: str, place: str) -> None:
    token = KINDS[kind](ada)
    options: dict[str, Any] = {}
    auth = {}
    if place.startswith("auth"):
        auth = {"token": f"Bearer {token}" if "scheme" in place else token}
    elif place == "header":
        options["headers"] = {"authorization": f"bearer  {token}"}
    else:
        options["query"] = f"EIO=4&token={token}"
    with SocketIOClient("/members", **options).connect(auth) as client:
        assert client.call("who")[:2] == ["ada", [f"~auth.user:{ada.pk}"]]
        assert is_online(ada)
        emit("hello", to=ada, namespace="/members")
        assert client.received("hello") == [()]
        (socket,) = fetch_sockets(namespace="/members").sockets
        assert socket.user is not None and socket.user.name == "ada"
        assert socket.authentication == NAMES[kind]
        assert (socket.expires is None) == (kind == "drf")


def test_admin_says_how_a_user_is_known(ada: User, kind: str, admin_client: Client) -> None:
    with connected(KINDS[kind](ada)) as client:
        of_user, of_socket = f"user=auth.user:{ada.pk}", f"sid={client.sid}"
        for page in ("socket/", f"onlineuser/view/?{of_user}", f"socket/view/?{of_socket}"):
            answer = admin_client.get(f"/admin/realtime/{page}")
            assert NAMES[kind] in answer.content.decode()


def test_query_is_no_source_unless_the_setting_says_so(ada: User, settings: Any) -> None:
    settings.REALTIME = {**settings.REALTIME, "TOKEN_SOURCES": ["auth", "header"]}
    with SocketIOClient(NAMESPACE, query=f"token={signed(ada)}").connect() as client:
        assert client.call("who")[0] == ""


@pytest.mark.parametrize("token", [None, ""])
def test_client_without_a_token_is_anonymous(db: None, token: Any) -> None:
    with connected(token) as client:
        assert client.call("who") == ["", [], None]
    with pytest.raises(ConnectionRefused, match="Log in first"):
        connected(token, "/members")


def test_session_comes_first(ada: User, grace: User) -> None:
    client = SocketIOClient(NAMESPACE)
    client.force_login(ada)
    with client.connect({"token": signed(grace)}):
        assert client.call("who")[0] == "ada"
        (socket,) = fetch_sockets(namespace=NAMESPACE).sockets
        assert socket.authentication == "session"


def test_consumer_without_the_session_class_does_not_know_its_user(ada: User) -> None:
    @serve("/only-tokens")
    class OnlyTokens(Whoever):
        authentication_classes = (SignedTokenAuthentication,)

    client = SocketIOClient("/only-tokens")
    client.force_login(ada)
    with client.connect():
        assert client.call("who")[0] == ""
        assert not is_online(ada)


def test_classes_of_the_setting_are_the_default(ada: User, settings: Any) -> None:
    @serve("/default")
    class Default(SocketIOConsumer):
        @event
        async def who(self) -> str:
            return str(self.user.get_username())

    with SocketIOClient("/default").connect({"token": signed(ada)}) as client:
        assert client.call("who") == ""
    names = [f"realtime.authentication.{found.__name__}" for found in CLASSES.values()]
    settings.REALTIME = {**settings.REALTIME, "AUTHENTICATION_CLASSES": names}
    with SocketIOClient("/default").connect({"token": signed(ada)}) as client:
        assert client.call("who") == "ada"
    settings.REALTIME = {**settings.REALTIME, "AUTHENTICATION_CLASSES": ["nowhere.Tokens"]}
    with pytest.raises(ConnectionRefused, match="Internal error"):
        SocketIOClient("/default").connect({"token": signed(ada)})


# Tokens that are not good


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


DEEP = encoded('{"a":' * 1_500 + "1" + "}" * 1_500)
GARBAGE = [
    "garbage",
    "rt1.",
    "rt1.abc:def",
    "rt1.ünsigned",
    "rt1." + signing.Signer(salt="another").sign_object({"user": "1"}),
    "eyJ.eyJ.x",
    f"eyJhbGciOiJIUzI1NiJ9.{DEEP}.x",
    f"{DEEP}.{DEEP}.x",
    jwt.encode({"sub": "1"}, None, algorithm="none"),
    "nul\x00",
    "x" * 16_001,
    5,
    {"deep": []},
    True,
]


@pytest.mark.parametrize("token", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_without_a_traceback(
    db: None, caplog: pytest.LogCaptureFixture, token: Any
) -> None:
    assert refused(token) == INVALID
    assert "Traceback" not in caplog.text
    assert str(token) not in caplog.text


@pytest.mark.parametrize("value", ["Bearer", "Bearer  ", "Basic YTpi", "\xff"])
def test_header_without_a_token_is_none(db: None, value: str) -> None:
    client = SocketIOClient(NAMESPACE, headers={"authorization": value})
    with client.connect() as client:
        assert client.call("who")[0] == ""


def test_tokens_of_another_site_are_refused(ada: User, settings: Any) -> None:
    mine, key = signed(ada), settings.SECRET_KEY
    settings.SECRET_KEY = "of another site"
    assert refused(mine) == INVALID
    settings.SECRET_KEY_FALLBACKS = [key]
    with connected(mine) as client:
        assert client.call("who")[0] == "ada"


@pytest.mark.parametrize(
    ("claims", "data"),
    [
        ({"exp": 1}, EXPIRED),
        ({"exp": None}, INVALID),
        ({"exp": "soon"}, INVALID),
        ({"exp": 1e400}, INVALID),
        ({"nbf": time.time() + 86_400}, INVALID),
        ({"aud": "another"}, INVALID),
        ({"aud": None}, INVALID),
        ({"iss": "them"}, INVALID),
        ({"sub": None}, INVALID),
        ({"sub": "0"}, INVALID),
        ({"sub": "ada"}, INVALID),
        ({"sub": "9" * 40}, INVALID),
        ({"key": "another secret of 32 characters!"}, INVALID),
        ({"algorithm": "HS512", "key": SECRET * 2}, INVALID),
    ],
)
def test_json_web_token_that_is_not_for_us_is_refused(
    ada: User, claims: dict[str, Any], data: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert refused(json_web(ada, **claims)) == data
    assert "Traceback" not in caplog.text


def test_expired_signed_token_is_refused(ada: User) -> None:
    assert refused(signed(ada, age=timedelta(seconds=-1))) == EXPIRED


@pytest.mark.parametrize("change", ["deactivated", "deleted", "password"])
def test_token_of_a_user_who_lost_rights_is_refused(ada: User, kind: str, change: str) -> None:
    token = KINDS[kind](ada)
    if change == "deleted":
        ada.delete()
    elif change == "deactivated":
        User.objects.update(is_active=False)
    else:
        ada.set_password("another")
        ada.save()
        if kind != "signed":  # what was not made with the password holds without it
            return
    assert refused(token) == INVALID


def test_backend_of_a_signed_token_has_the_say(ada: User, settings: Any) -> None:
    backend = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    settings.AUTHENTICATION_BACKENDS = [backend]
    User.objects.update(is_active=False)
    token, of_no_backend = signed(ada, backend=backend), signed(ada)
    with connected(token) as client:
        assert client.call("who")[0] == "ada"
    assert refused(of_no_backend) == INVALID
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert refused(token) == INVALID


MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
ALL_USERS_BACKEND = "django.contrib.auth.backends.AllowAllUsersModelBackend"


@pytest.mark.parametrize(
    ("backend", "advice"),
    [
        (None, "inactive. Activate the user, or pass the backend="),
        (MODEL_BACKEND, "does not let ada log in. Activate the user"),
        (ALL_USERS_BACKEND, "is not in AUTHENTICATION_BACKENDS"),
    ],
)
def test_token_with_which_nobody_could_connect_is_not_made(
    ada: User, backend: str | None, advice: str, rf: Any
) -> None:
    ada.is_active = False
    ada.save()
    with pytest.raises(ValueError, match=re.escape(advice)):
        make_token(ada, backend=backend)
    request = rf.get("/")
    request.user = ada
    request.session = {} if backend is None else {BACKEND_SESSION_KEY: backend}
    assert token_view(request).status_code == 401


@pytest.mark.parametrize("change", ["deactivate", "update", "delete"])
def test_token_of_a_user_who_was_let_in_once_is_refused(ada: User, change: str) -> None:
    token = signed(ada)
    if change == "delete":
        ada.delete()
    elif change == "update":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    else:
        ada.is_active = False
        ada.save()
    assert refused(token) == INVALID


def test_token_of_a_child_of_the_user_model_is_the_users(ada: User) -> None:
    with connected(signed(as_child(ada, own_key=True))) as client:
        assert client.call("who")[0] == "ada"


# JSON Web Tokens, in more ways


def options(settings: Any, **changed: Any) -> None:
    base = {"ALGORITHMS": ["HS256"], "KEY": SECRET}
    chosen = {name: value for name, value in {**base, **changed}.items() if value is not None}
    settings.REALTIME = {**settings.REALTIME, "JWT": chosen}


def test_leeway_counts_for_the_end_too(ada: User, settings: Any) -> None:
    options(settings, LEEWAY=3_600, AUDIENCE="site")
    now = int(time.time())
    with connected(json_web(ada, exp=now - 60)):
        (socket,) = fetch_sockets(namespace=NAMESPACE).sockets
        assert socket.expires is not None and socket.expires.timestamp() == now + 3_540


def test_any_of_several_keys_may_have_signed(ada: User, settings: Any) -> None:
    options(settings, KEY=["the next secret of 32 characters", SECRET], AUDIENCE="site")
    with connected(json_web(ada)) as client:
        assert client.call("who")[0] == "ada"


def test_claims_that_must_be_so(ada: User, settings: Any) -> None:
    options(settings, CLAIMS={"token_type": "access"}, AUDIENCE="site")
    assert refused(json_web(ada, token_type="refresh")) == INVALID
    with connected(json_web(ada, token_type="access", scope="read")) as client:
        assert client.call("who")[2] == "read"


def test_user_by_another_claim_and_field(ada: User, settings: Any) -> None:
    options(settings, USER_CLAIM="name", USER_FIELD="username", AUDIENCE="site")
    with connected(json_web(ada, sub=None, name="ada")) as client:
        assert client.call("who")[0] == "ada"
    for name in (["ada"], {"ada": 1}, True, None, "nul\x00"):
        assert refused(json_web(ada, name=name)) == INVALID


def test_token_without_an_end_if_none_is_required(ada: User, settings: Any) -> None:
    options(settings, REQUIRE=[], AUDIENCE="site")
    with connected(json_web(ada, exp=None)):
        (socket,) = fetch_sockets(namespace=NAMESPACE).sockets
        assert socket.expires is None


def test_user_that_a_class_of_ones_own_makes(db: None, settings: Any) -> None:
    class Guests(JWTAuthentication):
        def get_user(self, claims: Any) -> User:
            return User.objects.get_or_create(username=claims["name"])[0]

    @serve("/guests")
    class GuestsConsumer(Whoever):
        authentication_classes = (Guests,)

    token = json_web(User(), sub=None, name="guest")
    with SocketIOClient("/guests").connect({"token": token}) as client:
        assert client.call("who")[0] == "guest"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (SessionAuthentication, "must be a list of classes"),
        ("realtime.authentication.SessionAuthentication", "must be a list of classes"),
        (7, "must be a list of classes"),
        ([SessionAuthentication()], "takes classes, not <"),
        (["realtime.authentication.SessionAuthentication"], "takes classes, not 'realtime"),
    ],
    ids=["no comma", "name", "number", "instance", "name in a list"],
)
def test_classes_of_a_consumer_that_can_not_be_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"Wrong: authentication_classes {message}"):
        type("Wrong", (SocketIOConsumer,), {"authentication_classes": wrong})


def test_options_that_can_not_work_are_said(ada: User, settings: Any) -> None:
    settings.REALTIME = {**settings.REALTIME, "JWT": {}}
    with pytest.raises(ImproperlyConfigured, match="ALGORITHMS must be a list"):
        JWTAuthentication.get_options()


class Provider:
    """Answers with the public keys of an identity provider."""

    def __init__(self) -> None:
        self.private: dict[str, rsa.RSAPrivateKey] = {}
        self.asked = 0
        self.away = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(500 if provider.away else 200)
                self.end_headers()
                self.wfile.write(provider.keys())

            def log_message(self, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, name: str) -> None:
        self.private[name] = rsa.generate_private_key(65537, 2048)

    def keys(self) -> bytes:
        keys = []
        for name, key in self.private.items():
            public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({**public, "kid": name, "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def token(self, user: User, name: str, kid: str | None = None) -> str:
        pem = self.private[name].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        claims = {"sub": str(user.pk), "exp": time.time() + 600}
        return jwt.encode(claims, pem, algorithm="RS256", headers={"kid": kid or name})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    provider = Provider()
    provider.add("first")
    settings.REALTIME = {
        **settings.REALTIME,
        "JWT": {"ALGORITHMS": ["RS256"], "JWKS_URL": provider.url},
    }
    yield provider
    provider.close()


def test_keys_of_a_provider_are_fetched_once_and_again_for_a_new_one(
    ada: User, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with connected(provider.token(ada, "first")) as client:
            assert client.call("who")[0] == "ada"
    assert provider.asked == 1
    provider.add("second")
    assert refused(provider.token(ada, "second")) == INVALID
    assert provider.asked == 1  # whoever makes up names of keys asks nobody
    monkeypatch.setattr(jwks, "PAUSE", -1)
    with connected(provider.token(ada, "second")):
        assert provider.asked == 2
    assert refused(provider.token(ada, "first", kid="second")) == INVALID


def test_provider_that_is_away_is_said_and_keys_that_are_known_stay(
    ada: User,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.away = True
    token = provider.token(ada, "first")
    assert refused(token) == {"code": "authentication_unavailable"}
    assert refused(token) == {"code": "authentication_unavailable"}
    assert provider.asked == 1
    assert "can't be fetched from" in caplog.text and token not in caplog.text
    provider.away = False
    monkeypatch.setattr(jwks, "PAUSE", -1)
    with connected(token):
        provider.away = True
    monkeypatch.setattr(jwks, "LIFESPAN", -1)
    with connected(token) as client:
        assert client.call("who")[0] == "ada"


# Classes of one's own


class Door(BaseAuthentication):
    """Knows who knows the word, in a plain `def` that queries."""

    def authenticate(self, scope: dict[str, Any]) -> Any:
        word = (scope["auth"] or {}).get("word")
        if word is None:
            return None
        user = User.objects.filter(username=word).first()
        if user is None:
            raise AuthenticationFailed("Not this word.", "bad_word")
        return user, None


class Parcel(TokenAuthentication):
    def is_mine(self, token: str) -> bool:
        return token.startswith("parcel-")

    async def authenticate_token(self, token: str) -> Any:
        user = await User.objects.aget(username=token.removeprefix("parcel-"))
        return user, Credential(claims={"scope": "parcels"})


@pytest.fixture
def own() -> str:
    @serve("/own")
    class Own(Whoever):
        authentication_classes = (Door, Parcel)

    return "/own"


def test_class_of_ones_own(ada: User, own: str, caplog: pytest.LogCaptureFixture) -> None:
    with SocketIOClient(own).connect({"word": "ada"}) as client:
        assert client.call("who")[0] == "ada"
        assert fetch_sockets(namespace=own).sockets[0].authentication == "Door"
    with connected("parcel-ada", own) as client:
        assert client.call("who") == ["ada", [f"~auth.user:{ada.pk}"], "parcels"]
    with SocketIOClient(own).connect() as client:
        assert client.call("who")[0] == ""
    with pytest.raises(ConnectionRefused) as caught:
        SocketIOClient(own).connect({"word": "?"})
    assert (caught.value.message, caught.value.data) == ("Not this word.", {"code": "bad_word"})
    assert "by Door" in caplog.text
    assert refused("another-ada", own) == INVALID


# What the consumer finds out itself


@pytest.fixture
def late() -> str:
    @serve("/late")
    class Late(Whoever):
        authentication_classes = (SessionAuthentication,)

        async def connect(self, auth: Any) -> None:
            auth = auth or {}
            user: Any = AnonymousUser()
            if "name" in auth:
                user = await User.objects.filter(username=auth["name"]).afirst()
            if "what" in auth:
                user = {"object": object(), "unsaved": User(username="unsaved")}[auth["what"]]
            if auth.get("how") == "scope":
                self.scope["user"] = user
            elif auth.get("how") == "call":
                await self.log_in(user, expires=timedelta(hours=1))

        @event
        async def become(self, name: str | None) -> list[Any]:
            user = await User.objects.filter(username=name).afirst() if name else None
            await self.log_in(user)
            return await self.who()

        @event("become in a thread")
        def become_in_a_thread(self, name: str) -> None:
            self.log_in(User.objects.get(username=name), expires=timezone.now())

        @event
        async def stay(self, room: str) -> None:
            await self.join(room, presence=True)

    return "/late"


@pytest.mark.parametrize("how", ["call", "scope"])
def test_user_whom_connect_finds_is_known_everywhere(ada: User, late: str, how: str) -> None:
    with SocketIOClient(late).connect({"name": "ada", "how": how}) as client:
        assert client.call("who")[:2] == ["ada", [rooms.of_instance(ada)]]
        emit("hello", to=ada, namespace=late)
        assert client.received("hello") == [()]
        assert is_online(ada)
        (socket,) = fetch_sockets(namespace=late).sockets
        assert socket.user is not None and socket.user.name == "ada"
        assert socket.authentication == "consumer"
        assert (socket.expires is None) == (how == "scope")


def test_user_of_the_session_read_again_is_still_that_of_the_session(ada: User, late: str) -> None:
    client = SocketIOClient(late)
    client.force_login(ada)
    with client.connect({"name": "ada", "how": "scope"}):
        assert fetch_sockets(namespace=late).sockets[0].authentication == "session"


@pytest.mark.parametrize("how", ["call", "scope"])
def test_another_user_than_that_of_the_session(ada: User, grace: User, late: str, how: str) -> None:
    client = SocketIOClient(late)
    client.force_login(ada)
    with client.connect({"name": "grace", "how": how}):
        assert client.call("who")[:2] == ["grace", [rooms.of_instance(grace)]]
        emit("hello", to=ada, namespace=late)
        assert client.received("hello") == []
        assert not is_online(ada)
        assert fetch_sockets(namespace=late).sockets[0].authentication == "consumer"


@pytest.mark.parametrize("how", ["call", "scope"])
@pytest.mark.parametrize(
    ("what", "error", "words"),
    [("object", "TypeError", "can be logged in"), ("unsaved", "RoomError", "save it before")],
)
def test_what_is_no_user_is_said(
    late: str, how: str, what: str, error: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConnectionRefused, match="Internal error"):
        SocketIOClient(late).connect({"what": what, "how": how})
    assert error in caplog.text and words in caplog.text


def test_user_changes_while_connected(ada: User, grace: User, late: str) -> None:
    with SocketIOClient(late).connect() as watcher, SocketIOClient(late).connect() as client:
        for one in (watcher, client):
            one.call("stay", "lobby")
        assert client.call("become", "ada")[:2] == [
            "ada",
            sorted(["lobby", f"~auth.user:{ada.pk}"]),
        ]
        assert is_online(ada)
        assert client.call("become", "grace")[0] == "grace"
        assert is_online(grace)
        (socket,) = fetch_sockets(grace, namespace=late).sockets
        assert socket.sid == client.sid and fetch_sockets(ada, namespace=late).total == 0
        assert client.call("become", None) == ["", ["lobby"], None]
        assert fetch_sockets(grace, namespace=late).total == 0


def test_login_that_a_handler_ends_at_once(ada: User, late: str) -> None:
    client = SocketIOClient(late).connect()
    client.emit("become in a thread", "ada")
    wait_until(lambda: not client.connected)
    client.disconnect()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


async def test_communicator_has_tokens_and_users(transactional_db: None) -> None:
    ada = await User.objects.acreate_user("ada")
    for given in (
        {"auth": {"token": signed(ada)}},
        {"query": f"token={signed(ada)}"},
        {"user": ada},
    ):
        communicator = SocketIOCommunicator(Members, "/members", **given)
        await communicator.connect()
        assert communicator.rooms == {rooms.of_instance(ada)}
        await communicator.disconnect()
    communicator = SocketIOCommunicator(Members, "/members", auth={"token": "rt1.x"})
    with pytest.raises(ConnectionRefused, match=r"Invalid token\."):
        await communicator.connect()


async def test_communicator_has_sessions(transactional_db: None) -> None:
    ada = await User.objects.acreate_user("ada")
    client = Client()
    await sync_to_async(client.force_login)(ada)
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    communicator = SocketIOCommunicator(Members, "/members", headers=[(b"cookie", cookie)])
    await communicator.connect()
    assert await communicator.call("who") == ["ada", [rooms.of_instance(ada)], None]
    await communicator.disconnect()


def test_client_without_anything_costs_no_thread_and_no_query() -> None:
    scope = {"auth": None, "headers": [], "query_string": b"EIO=4", "user": AnonymousUser()}
    coroutine = authenticate(scope, [found() for found in CLASSES.values()])
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)  # a hop into a thread would suspend it
    assert isinstance(end.value.value.user, AnonymousUser)


def test_user_of_a_middleware_is_kept_and_no_class_is_asked(ada: User) -> None:
    scope = {"auth": {"token": "garbage"}, "headers": [], "query_string": b"", "user": ada}
    coroutine = authenticate(scope, [found() for found in CLASSES.values()])
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    assert end.value.value.user is ada and end.value.value.how == "middleware"


# Logins that end


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change", ["deactivate", "password", "delete", "update", "update password", "roll back"]
)
def test_what_ends_the_login_of_a_session_ends_that_of_a_token(
    kind: str, change: str, settings: Any
) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOGIN_CHECK_INTERVAL": 0.5}
    ada = User.objects.create_user("ada", password="ada")
    grace = User.objects.create_user("grace", password="grace")
    client, other = connected(KINDS[kind](ada)), connected(KINDS[kind](grace))
    change_user(ada, change)
    if change != "roll back":
        wait_until(lambda: not client.connected)
    assert other.call("who")[0] == "grace"
    assert client.connected == (change == "roll back")
    client.disconnect()
    other.disconnect()


def change_user(user: User, change: str) -> None:
    if change == "deactivate":
        user.is_active = False
        user.save()
    elif change == "password":
        user.set_password("another")
        user.save()
    elif change == "delete":
        user.delete()
    elif change == "update":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif change == "update password":
        User.objects.filter(pk=user.pk).update(password="another")
    else:
        with transaction.atomic():
            user.is_active = False
            user.save()
            transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["row", "proxy", "queryset", "raw", "another key", "another user"])
def test_deleted_token_of_rest_framework_ends_its_sockets(how: str, settings: Any) -> None:
    from rest_framework.authtoken.models import TokenProxy

    told = how in ("row", "proxy", "queryset")
    settings.REALTIME = {**settings.REALTIME, "LOGIN_CHECK_INTERVAL": 1_000 if told else 0.5}
    ada = User.objects.create_user("ada")
    token = Token.objects.create(user=ada)
    key = token.key
    client, other = connected(key), connected(signed(ada))
    rows = Token.objects.filter(pk=token.pk)
    if how == "row":
        token.delete()
    elif how == "proxy":
        TokenProxy.objects.get(pk=token.pk).delete()
    elif how == "queryset":
        rows.delete()
    elif how == "raw":
        rows._raw_delete("default")
    elif how == "another key":
        rows.update(key="f" * 40)
    else:
        rows.update(user=User.objects.create_user("grace"))
    wait_until(lambda: not client.connected)
    assert other.call("who")[0] == "ada"
    client.disconnect()
    other.disconnect()
    if how != "another user":
        assert refused(key) == INVALID


def test_expired_login_ends_and_the_others_stay(ada: User, settings: Any) -> None:
    settings.REALTIME = {**settings.REALTIME, "LOGIN_CHECK_INTERVAL": 1_000}
    brief = connected(signed(ada, age=2))
    long, endless = connected(signed(ada)), connected(of_rest_framework(ada))
    wait_until(lambda: not brief.connected)
    assert long.call("who")[0] == endless.call("who")[0] == "ada"
    for client in (brief, long, endless):
        client.disconnect()


def test_own_class_that_fails_at_its_look_holds_up_no_other(
    transactional_db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Parcel):
        @classmethod
        def still_valid(cls, credentials: Any) -> Any:
            raise RuntimeError("a bug")

    @serve("/broken")
    class BrokenConsumer(Whoever):
        authentication_classes = (Broken, RestFrameworkTokenAuthentication)

    settings.REALTIME = {**settings.REALTIME, "LOGIN_CHECK_INTERVAL": 0.5}
    ada = User.objects.create_user("ada")
    token = Token.objects.create(user=ada)
    broken, other = connected("parcel-ada", "/broken"), connected(token.key, "/broken")
    Token.objects.all()._raw_delete("default")  # type: ignore[attr-defined]
    wait_until(lambda: not other.connected)
    assert broken.call("who")[0] == "ada"
    assert "Broken could not look its credentials up" in caplog.text
    broken.disconnect()
    other.disconnect()


class Sockets:
    """Stand in for the sockets of a server: they are not looked into."""

    def __init__(self) -> None:
        self.expiries = Expiries(TimerWheel(), lambda socket: None)
        self.expiries._timer = object()  # type: ignore[assignment]

    def due(self, now: float) -> list[Any]:
        return sorted(self.expiries.take(now))

    def add(self, name: Any, expires: float) -> None:
        self.expiries.add(name, expires)


def test_expiries_are_found_whatever_the_clock_does() -> None:
    sockets = Sockets()
    sockets.add("a", 1_000.0)
    sockets.add("b", 1_000.2)
    sockets.add("c", 2_000.0)
    sockets.add("never", float("inf"))
    sockets.add("no time", float("nan"))
    assert sockets.due(999.9) == ["no time"]
    assert sockets.due(1_000.2) == ["a"]
    assert sockets.due(1_000.2 + STEP) == ["b"]
    assert sockets.due(1e9) == ["c"]  # a leap of thirty years
    assert sockets.due(1_000.0) == []  # and back
    sockets.add("d", 1_500.0)
    assert sockets.due(1_499.0) == []
    assert sockets.due(1_500.0) == ["d"]
    sockets.expiries.discard("never", float("inf"))  # type: ignore[arg-type]
    assert not sockets.expiries._steps


# What gives a page its token


def test_view_gives_the_user_a_token(ada: User) -> None:
    request = RequestFactory().get("/token/")
    request.user = AnonymousUser()
    refused = token_view(request)
    assert refused.status_code == 401
    request.user = ada
    answer = token_view(request)
    assert "no-store" in answer.headers["Cache-Control"]
    with connected(json.loads(answer.content)["token"]) as client:
        assert client.call("who")[0] == "ada"
    assert token_view(RequestFactory().post("/token/")).status_code == 405


def test_tag_gives_the_page_a_token(ada: User) -> None:
    template = Template("{% load realtime %}{% realtime_token %}")
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert template.render(RequestContext(request)) == ""
    request.user = ada
    with connected(template.render(RequestContext(request))) as client:
        assert client.call("who")[0] == "ada"
    with pytest.raises(ImproperlyConfigured, match="context processor"):
        template.render(Context())
