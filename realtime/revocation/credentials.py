"""Whether tokens and the like still hold: what the classes say that let them in."""

import logging
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from ..metrics.counters import count
from .login import Login

logger = logging.getLogger("realtime.revocation")


def still_valid(logins: Collection[Login]) -> set[Login]:
    """Those of the logins whose credentials are still good; of a session's there is none."""
    valid = set(logins)
    shown: defaultdict[Any, list[Login]] = defaultdict(list)
    for login in logins:
        if login.by is not None:
            shown[login.by].append(login)
    for by, of_class in shown.items():
        try:
            found = set(by.still_valid([login.credential for login in of_class]))
        except Exception:  # a class of the project's must not keep others from being looked at
            count("revocations.unlooked")
            logger.exception("%s could not look its credentials up", by.__name__)
            continue
        valid -= {login for login in of_class if login.credential not in found}
    return valid
