"""Names of keys and channels in Redis. Pure.

Room names are free Unicode and secret ids are not to be seen by who may list keys: digests stand
for both.
"""

import hashlib

from ..store import Key


class Names:
    """The names of one site's, which is in them."""

    def __init__(self, prefix: str, site: str) -> None:
        self._start = f"{prefix}:realtime:{site}"

    def head(self, namespace: str) -> str:
        """The key of the last position of a namespace."""
        return f"{self._start}:head:{_digest(namespace)}"

    def stream(self, key: Key) -> str:
        """The key of a room's log."""
        return f"{self._start}:log:{_of(key)}"

    def values(self, key: Key) -> str:
        """The key of a room's newest values, by field."""
        return f"{self._start}:values:{_of(key)}"

    def ages(self, key: Key) -> str:
        """The key of when each of them changed."""
        return f"{self._start}:ages:{_of(key)}"

    def channel(self, key: Key) -> str:
        """The channel on which a room's events are told."""
        return f"{self._start}:live:{_of(key)}"

    @property
    def changes(self) -> str:
        """The key of what operations did lately."""
        return f"{self._start}:changes"

    def session(self, pid: str) -> str:
        """The key of a session."""
        return f"{self._start}:session:{_digest(pid)}"


def _of(key: Key) -> str:
    namespace, room = key
    return _digest(namespace if room is None else f"{len(namespace)}:{namespace}{room}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
