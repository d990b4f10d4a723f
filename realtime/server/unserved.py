"""What is said of a namespace that nothing serves: to who asks for it, and to who emits to it."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from django.conf import settings as django_settings

from ..engine import refusals
from ..engine.refusals import MAX_SHOWN, shown
from ..logs import brief, connection_facts, facts, meant
from ..metrics.counters import count
from ..node.emissions import Emission

if TYPE_CHECKING:
    from ..engine.server import Connection

logger = logging.getLogger("realtime.server")

#: How many of the namespaces that are served a line of the log names.
MAX_NAMED = 5
CLIENT_ASKS = (
    "is its consumer in the consumers.py of an app in INSTALLED_APPS, and its @namespace the one"
    " that the client asks for?"
)
#: How many namespaces are remembered as said.
MAX_SAID = 100


class Unserved:
    """Says what is missing, and what was probably meant."""

    def __init__(self, serves: Callable[[str], bool]) -> None:
        self._serves = serves
        #: The namespaces that the project serves, or their routes.
        self.served: Callable[[], Sequence[str]] = list
        self._said: set[str] = set()

    def refuse(self, connection: "Connection", namespace: str) -> None:
        """Count and log that a client asks for a namespace that nothing serves."""
        count("refused.namespace")
        refusals.say(
            logger,
            "namespace",
            connection.address,
            lambda: (
                f"nothing serves the namespace {shown(namespace)}"
                f"{self._hint(namespace, CLIENT_ASKS)}"
            ),
            # In development the next one is another attempt of whoever reads the log.
            detail=namespace if django_settings.DEBUG else "",
            extra=facts(namespace=namespace[:MAX_SHOWN]) | connection_facts(connection),
        )

    def notice(self, emission: Emission) -> None:
        """An emission had no recipient here: warn, once for each namespace, where none can be."""
        namespace = emission.namespace
        if namespace in self._said or self._serves(namespace) or len(self._said) >= MAX_SAID:
            return
        self._said.add(namespace)
        logger.warning(
            "%r was emitted to the namespace %s, which nothing serves%s",
            brief(emission.event),
            shown(namespace),
            self._hint(namespace, "pass the one that you mean as namespace=."),
            extra=facts(namespace=namespace, event=emission.event),
        )

    def _hint(self, namespace: str, otherwise: str) -> str:
        """What was probably meant; `otherwise` is what to say where no namespace is like it."""
        served = self.served()
        near = meant(namespace, served)
        if near is not None:
            return f": did you mean {near!r}?"
        if not served:
            return (
                ", nor any other: no consumer is registered. Is there one in the consumers.py of an"
                " app in INSTALLED_APPS, and does it have @namespace?"
            )
        named = ", ".join(map(repr, served[:MAX_NAMED]))
        more = ", ..." if len(served) > MAX_NAMED else ""
        return f": {otherwise} Served: {brief(named + more, 200)}"
