"""Django's sessions, read and never written, whatever the engine.

The stores of Django write while they read: a session that is loaded fills the cache of `cached_db`,
and one that expired is deleted and made anew in a file. What only looks must do neither: it could
bring back a session that a log-out has just ended.
"""

from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import cache as cache_engine
from django.contrib.sessions.backends import cached_db as cached_db_engine
from django.contrib.sessions.backends import db as db_engine
from django.contrib.sessions.backends import signed_cookies as cookie_engine
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.db.models import Model, QuerySet
from django.utils import timezone

from ..installed import until_apps_change

Data = dict[str, Any]


def store_class() -> Any:
    """The SessionStore of the engine that the settings name."""
    return _store_class(settings.SESSION_ENGINE)


@until_apps_change
def _store_class(engine: str) -> Any:
    return import_module(engine).SessionStore


def model() -> type[Model] | None:
    """The model whose rows sessions are; None where they are none, or its app is not installed."""
    return _model_of(store_class())


@until_apps_change
def _model_of(store: Any) -> type[Model] | None:
    if not issubclass(store, db_engine.SessionStore):
        return None
    try:
        found: type[Model] = store.get_model_class()
    except RuntimeError:  # Django's word for a model whose app is not installed
        return None
    return found


def are_usable() -> bool:
    """Whether there are sessions at all: those of the default engine are rows of an app's table."""
    return model() is not None or not issubclass(store_class(), db_engine.SessionStore)


def have_a_store() -> bool:
    """Whether the server keeps sessions, and can tell that one has ended."""
    return not issubclass(store_class(), cookie_engine.SessionStore)


def store(key: str | None, data: Data | None) -> SessionBase:
    """A session as Django has it, with data that was read already, so that it reads none itself."""
    session: Any = store_class()(None if data is None else key)
    session.load = lambda: data
    session.get("")  # loads it
    del session.load
    return session  # type: ignore[no-any-return]


def read(key: str) -> Data | None:
    """What is in a session; None if there is none of this key, or it has expired."""
    if "\x00" in key:  # a cookie may have it, and PostgreSQL takes it for an error
        return None
    if is_in_database():
        return read_many([key]).get(key)
    # The store minds what else a cache takes for no key.
    return dict(_read_each([key])).get(key)


def read_many(keys: Collection[str]) -> Mapping[str, Data]:
    """The sessions that there are, by their keys."""
    kind = store_class()
    if is_in_database():
        rows = valid_rows(kind).filter(pk__in=keys).values_list("pk", "session_data")
        reader = kind()
        return {key: reader.decode(text) for key, text in rows}
    if kind.load is cache_engine.SessionStore.load:
        prefix = kind.cache_key_prefix
        found = caches[settings.SESSION_CACHE_ALIAS].get_many([prefix + key for key in keys])
        return {key: found[prefix + key] for key in keys if found.get(prefix + key) is not None}
    return dict(_read_each(keys))


def is_in_database() -> bool:
    """Whether a session is a row of Django's kind, which an engine derived from it may change."""
    return store_class().load in (
        db_engine.SessionStore.load,
        cached_db_engine.SessionStore.load,
    )


def valid_rows(kind: Any) -> "QuerySet[Any]":
    """The sessions of a database that have not expired."""
    rows: QuerySet[Any] = kind.get_model_class().objects.filter(expire_date__gt=timezone.now())
    return rows


def _read_each(keys: Iterable[str]) -> Iterable[tuple[str, Data]]:
    for key in keys:
        reader = store_class()(key)
        # As Django's own clear_expired does it for files.
        for verb in ("create", "delete", "save"):
            setattr(reader, verb, _do_nothing)
        if reader.session_key is None:
            continue
        data = reader.load()
        if data and reader.session_key is not None:
            yield key, data


def _do_nothing(*args: Any, **kwargs: Any) -> None:
    pass
