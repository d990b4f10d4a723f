"""The public keys of an identity provider, fetched from its JWKS address and kept for a while.

PyJWT's own client asks the provider again for each key id that it does not know, which clients
make up as they like: here it is asked so at most once in PAUSE seconds.
"""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from ..exceptions import AuthenticationFailed

with contextlib.suppress(ImportError):  # jwt.py says what is missing
    import jwt

logger = logging.getLogger("realtime.authentication")

#: Seconds that keys are used for before they are fetched again.
LIFESPAN = 300
#: Seconds that the provider has to answer, while one worker thread waits.
TIMEOUT = 5
#: Seconds between two fetches because of an unknown key, or after one that failed.
PAUSE = 10.0

UNAVAILABLE = "authentication_unavailable"


def fetched_keys(url: str, key_id: str | None) -> Sequence[Any]:
    """The keys with this id; all of them for a token that names none. From any thread.

    Raises AuthenticationFailed where the provider does not answer.
    """
    return _keys_at(url).find(key_id)


@functools.cache
def _keys_at(url: str) -> "Keys":
    return Keys(url)


class Keys:
    """The keys at one address."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._url = url
        self._lock = threading.Lock()
        self._keys: Sequence[Any] = ()
        self._fetched_at = self._tried_at = float("-inf")

    def find(self, key_id: str | None) -> Sequence[Any]:
        found = self._matching(key_id)
        now = time.monotonic()
        if not found or now - self._fetched_at > LIFESPAN:
            with self._lock:  # one thread fetches, and the others see what it got
                found = self._matching(key_id)
                now = time.monotonic()
                if now - self._tried_at > PAUSE and (
                    not found or now - self._fetched_at > LIFESPAN
                ):
                    self._fetch(now)
                    found = self._matching(key_id)
        if not self._keys:
            raise AuthenticationFailed("Try again later.", UNAVAILABLE)
        return found

    def _matching(self, key_id: str | None) -> Sequence[Any]:
        return [key.key for key in self._keys if key_id is None or key.key_id == key_id]

    def _fetch(self, now: float) -> None:
        self._tried_at = now
        try:
            self._keys = self._client.get_signing_keys()
        except (jwt.PyJWTError, ValueError, OSError) as error:
            # Old keys stay good: they are public, and the provider may be away for a moment.
            logger.error(
                "the keys of JSON Web Tokens can't be fetched from %s: %s", self._url, error
            )
        else:
            self._fetched_at = now
