"""What has already arrived, as far back as is worth remembering. Pure."""

from collections import OrderedDict
from collections.abc import Hashable

#: How many keys are remembered.
MAX_KEYS = 10_000


class Remembered:
    """The latest keys that were noted."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def note(self, key: Hashable) -> bool:
        """Remember a key; whether it was remembered before. Raises TypeError for none."""
        if key in self._keys:
            return True
        self._keys[key] = None
        if len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
        return False
