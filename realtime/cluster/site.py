"""Which site this process belongs to, so that sites that share a Redis never hear each other.

Every process of a site has to find the same answer, the web server's, a worker's and a command's,
on any machine and with settings that may differ in the rest. So it is made of what they must have
in common anyway, and of nothing that they may not: no SECRET_KEY, which is rotated while a deploy
rolls, and no host of the database, which one process reaches through a pool and another directly.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings as django_settings

from ..conf import settings

#: Characters of the digest, which is part of every group's name on the layer.
DIGEST_LENGTH = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A site, for people and for the layer."""

    name: str
    #: Databases and prefixes of the layer: two sites of one name in two of them are two.
    place: str
    #: Why the name may be another site's, too; empty where `REALTIME["SITE"]` gives it.
    doubt: str = ""

    @property
    def digest(self) -> str:
        text = f"{len(self.name)}:{self.name}{self.place}"
        return hashlib.blake2b(text.encode(), digest_size=DIGEST_LENGTH // 2).hexdigest()

    def __str__(self) -> str:
        return f"{self.name!r} ({self.place})"


def current_site() -> Site:
    """The site that the settings speak of now."""
    place = _place()
    if settings.SITE is not None:
        return Site(name=settings.SITE, place=place)
    database, doubt = _database()
    return Site(name=f"{_project()}:{database}", place=place, doubt=doubt)


def _project() -> str:
    """The package of ROOT_URLCONF: an admin's process may have another module of the same."""
    return str(getattr(django_settings, "ROOT_URLCONF", "")).partition(".")[0]


def _database() -> tuple[str, str]:
    """The database of the site, and why it may not tell the site from others."""
    databases: Mapping[str, Any] = django_settings.DATABASES
    default = databases.get("default") or {}
    names = [_name(default)] if default else sorted(map(_name, databases.values()))
    name = ",".join(filter(None, names))
    if not name:
        return "", "no database is configured"
    if ":memory:" in name or "mode=memory" in name:
        return name, "its database is in memory"
    if str(default.get("ENGINE", "")).endswith(("sqlite3", "spatialite")):
        return name, "its database is a file, and containers have files of the same path"
    return name, ""


def _name(database: Mapping[str, Any]) -> str:
    name = database.get("NAME") or (database.get("OPTIONS") or {}).get("service") or ""
    is_file = str(database.get("ENGINE", "")).endswith(("sqlite3", "spatialite"))
    if not name or not is_file or ":memory:" in str(name) or str(name).startswith("file:"):
        return str(name)
    # From wherever the process was started.
    return str(Path(name).resolve())


def _place() -> str:
    """Numbers of the layer's databases in Redis, which pub/sub knows nothing of, and its prefix."""
    layers = getattr(django_settings, "CHANNEL_LAYERS", {})
    entry = layers.get(settings.CHANNEL_LAYER) if isinstance(layers, dict) else None
    config = (entry.get("CONFIG") if isinstance(entry, dict) else None) or {}
    hosts = config.get("hosts") or [{}]
    numbers = sorted({number for host in hosts for number in _numbers(host)})
    return f"database {','.join(numbers)}, prefix {str(config.get('prefix', 'asgi'))!r}"


def _numbers(host: Any) -> Iterator[str]:
    """The number of the database that channels_redis uses at a host, in each of its notations."""
    address, number = host, 0
    if isinstance(host, dict):
        address, number = host.get("address"), host.get("db") or 0
    if not isinstance(address, str):
        yield str(number)
        return
    parts = urlsplit(address)
    # A unix socket's path is no number; redis-py takes the query before the path.
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    yield parse_qs(parts.query).get("db", [path or str(number)])[0]
