"""As whom a client is logged in, and how it is looked up: read only, in few queries."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.utils import timezone

from realtime.auth import AuthStack
from realtime.revocation import sessions
from realtime.revocation.login import Login, digest, ends
from realtime.revocation.looking import still_hold
from realtime.revocation.users import login_of, user_of

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
IN_ROWS = ["db", "cached_db"]
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OnlyAda(ModelBackend):
    """A backend that has its own idea of who may come."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, username="ada").first()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    name: str = request.param
    use(name, settings, tmp_path)
    return name


def use(name: str, settings: Any, folder: Path) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    settings.SESSION_FILE_PATH = str(folder)
    store: Any = sessions.store_class()
    if hasattr(store, "_storage_path"):  # the file store remembers it
        del store._storage_path


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", password="ada")


def logged_in(user: User, backend: str = MODEL_BACKEND) -> Any:
    session = sessions.store_class()()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = backend
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["basket"] = [1, 2]
    session.save()
    return session


def login(user: User, backend: str = MODEL_BACKEND) -> Login:
    session = logged_in(user, backend)
    found = login_of(user, session)
    assert found is not None
    return found


async def scope_of(stack: Any, key: str | None, **more: Any) -> dict[str, Any]:
    scopes = []

    async def inner(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    headers = [] if key is None else [(b"cookie", f"a=b; sessionid={key}".encode())]
    await stack(inner)({"type": "socketio", "headers": headers, **more}, None, None)
    return scopes[0]


# The scope


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", ["user", "nobody", "unknown", "none"])
async def test_scope_is_what_the_stack_of_channels_gives(engine: str, known: str) -> None:
    key = None
    if known == "user":
        user = await User.objects.acreate_user("ada", password="ada")
        key = (await sync_to_async(logged_in)(user)).session_key
    elif known == "nobody":
        session = sessions.store_class()()
        session["basket"] = [1, 2]
        await sync_to_async(session.save)()
        key = session.session_key
    elif known == "unknown":
        key = "x" * 32
    theirs = await scope_of(AuthMiddlewareStack, key)
    ours = await scope_of(AuthStack, key)
    assert ours.keys() == theirs.keys()
    assert ours["cookies"] == theirs["cookies"]
    assert ours["user"] == theirs["user"]
    assert await ours["session"].aget("basket") == await theirs["session"].aget("basket")
    assert ours["session"].get("basket") == ([1, 2] if known in ("user", "nobody") else None)
    if known != "unknown":  # of which not every store says that there is none
        assert ours["session"].session_key == theirs["session"].session_key
    assert ours["session"].__class__ is theirs["session"].__class__
    assert not ours["session"].modified


async def test_client_without_the_cookie_costs_no_thread_and_no_query() -> None:
    coroutine = scope_of(AuthStack, None)
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)  # a hop into a thread would suspend it
    assert isinstance(end.value.value["user"], AnonymousUser)


async def test_session_and_user_of_a_middleware_further_out_are_kept() -> None:
    scope = await scope_of(AuthStack, None, session={"mine": 1}, user="somebody")
    assert (scope["session"], scope["user"]) == ({"mine": 1}, "somebody")


# Reading without writing


def test_look_up_of_a_session_writes_nothing(
    user: User, engine: str, settings: Any, django_assert_num_queries: Any, tmp_path: Path
) -> None:
    key = logged_in(user).session_key
    caches["default"].clear() if engine == "cached_db" else None
    before = list(Session.objects.values()), sorted(os.listdir(tmp_path))
    data = sessions.read(key)
    assert data is not None
    assert user_of(data) == user
    user.set_password("another")
    user.save()
    assert user_of(data) is None
    assert (list(Session.objects.values()), sorted(os.listdir(tmp_path))) == before
    if engine == "cached_db":
        prefix = sessions.store_class().cache_key_prefix
        assert caches["default"].get(prefix + key) is None


def test_expired_file_is_left_alone(user: User, settings: Any, tmp_path: Path) -> None:
    use("file", settings, tmp_path)
    key = logged_in(user).session_key
    settings.SESSION_COOKIE_AGE = -1
    before = os.listdir(tmp_path)
    assert not sessions.read(key)
    assert os.listdir(tmp_path) == before


@pytest.mark.parametrize("name", IN_ROWS)
def test_row_that_is_gone_ends_the_session_whatever_the_cache_has(
    user: User, settings: Any, tmp_path: Path, name: str
) -> None:
    use(name, settings, tmp_path)
    found = login(user)
    Session.objects.all()._raw_delete("default")
    assert sessions.read(str(found.session_key)) is None
    assert still_hold([found]) == set()


@pytest.mark.parametrize("key", ["", "short", "../../etc/passwd", "x" * 5000, "\x00" * 20, "é" * 9])
def test_key_that_nobody_gave_finds_nothing(db: None, engine: str, key: str) -> None:
    assert not sessions.read(key)


def test_session_by_an_old_secret_key_holds_and_stays(
    user: User, engine: str, settings: Any
) -> None:
    found = login(user)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    data = sessions.read(str(found.session_key))
    assert data is not None
    assert user_of(data) == user
    assert still_hold([found]) == {found}
    settings.SECRET_KEY_FALLBACKS = []
    assert still_hold([found]) == set()


# Whether logins hold


def test_login_holds_until_the_user_or_the_session_changes(user: User, engine: str) -> None:
    found = login(user)
    assert still_hold([found]) == {found}
    User.objects.update(is_active=False)
    assert still_hold([found]) == set()
    User.objects.update(is_active=True, password="another")
    assert still_hold([found]) == set()


@pytest.mark.parametrize("name", IN_ROWS)
def test_expired_row_holds_no_login(user: User, settings: Any, tmp_path: Path, name: str) -> None:
    use(name, settings, tmp_path)
    found = login(user)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert still_hold([found]) == set()


@pytest.mark.parametrize("name", ["db", "cached_db", "cache", "file"])
def test_session_that_is_another_users_holds_no_login(
    user: User, settings: Any, tmp_path: Path, name: str
) -> None:
    use(name, settings, tmp_path)
    found, other = login(user), User.objects.create_user("grace", password="grace")
    session = sessions.store_class()(found.session_key)
    session[SESSION_KEY] = str(other.pk)
    session[HASH_SESSION_KEY] = other.get_session_auth_hash()
    session.save()
    assert still_hold([found]) == set()


def test_backend_with_its_own_get_user_is_asked(user: User, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.test_logins.OnlyAda"]
    found = login(user, "tests.test_logins.OnlyAda")
    assert still_hold([found]) == {found}
    user.username = "grace"
    user.save()
    assert still_hold([found]) == set()


def test_backend_that_lets_in_inactive_users_has_the_say(user: User, settings: Any) -> None:
    backend = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    settings.AUTHENTICATION_BACKENDS = [backend]
    User.objects.update(is_active=False)
    found = login(user, backend)
    assert still_hold([found]) == {found}
    settings.AUTHENTICATION_BACKENDS = [MODEL_BACKEND]
    assert still_hold([found]) == set()


def test_user_known_without_a_session_is_looked_up_by_the_row(user: User) -> None:
    found = login_of(user, None)
    assert found is not None
    assert still_hold([found]) == {found}
    User.objects.update(is_active=False)
    assert still_hold([found]) == set()


def test_user_that_is_not_in_the_database_is_not_looked_up(db: None) -> None:
    found = login_of(User(pk=7, username="from a token"), None)
    assert found == Login(room="~auth.user:7", user_id=None)
    assert still_hold([found]) == {found}


def test_look_at_one_is_one_query_and_at_many_two(
    user: User, settings: Any, tmp_path: Path, django_assert_num_queries: Any
) -> None:
    use("db", settings, tmp_path)
    others = [User.objects.create_user(f"user {number}") for number in range(20)]
    logins = {login(somebody) for somebody in [user, *others]}
    with django_assert_num_queries(1):
        assert still_hold([next(iter(logins))])
    with django_assert_num_queries(2):
        assert still_hold(logins) == logins


def test_logged_in_connect_is_two_queries(
    user: User, settings: Any, tmp_path: Path, django_assert_num_queries: Any
) -> None:
    use("db", settings, tmp_path)
    key = logged_in(user).session_key
    with django_assert_num_queries(2):
        assert user_of(sessions.read(key) or {}) == user


# Notices


def a_login(**facts: Any) -> Login:
    return Login(**{"room": "~auth.user:1", "user_id": 1, **facts})


@pytest.mark.parametrize(
    ("facts", "notice", "is_over"),
    [
        ({"session": "s"}, {"session": "s"}, True),
        ({"session": "s"}, {"session": "t"}, False),
        ({}, {"session": "t"}, False),
        ({"password": "p"}, {"room": "~auth.user:1", "passwords": []}, True),
        ({"password": "p"}, {"room": "~auth.user:2", "passwords": []}, False),
        ({"password": "p"}, {"room": "~auth.user:1", "passwords": ["q"]}, True),
        ({"password": "p"}, {"room": "~auth.user:1", "passwords": ["q", "p"]}, False),
        ({}, {"room": "~auth.user:1", "passwords": ["q"]}, False),
        ({}, {"room": "~auth.user:1", "passwords": []}, True),
        ({}, {"room": "~auth.user:1", "look": True}, False),
    ],
)
def test_notice_ends_the_logins_that_it_is_about(
    facts: dict[str, Any], notice: dict[str, Any], is_over: bool
) -> None:
    assert ends(a_login(**facts), notice) is is_over


def test_login_shows_no_secret(user: User) -> None:
    found = login(user)
    assert str(found.session_key) not in repr(found)
    assert digest(str(found.session_key)) == found.session
