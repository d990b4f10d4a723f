"""Emits that failed and raise nothing, as the caller or the settings wanted: logged and counted."""

import logging

from ..exceptions import EmitError
from ..logs import facts
from ..metrics.counters import count
from .emissions import Emission

logger = logging.getLogger("realtime.emitters")


def keep(emission: Emission, error: EmitError) -> None:
    """Say in the log and in the metrics that an event did not reach every process."""
    count("emits.silenced")
    about = facts(namespace=emission.namespace, event=emission.event)
    logger.error("the event %r was not emitted: %s", emission.event, error, extra=about)
