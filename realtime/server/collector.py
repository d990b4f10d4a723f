"""Python's garbage collector, told that the process is a server now.

It looks at young objects each time that 700 more were made than freed, as many as a few connects
take, and by and by at all there are. In a storm of connects that was nearly half of the time.
"""

import gc

from ..cluster.isolation import is_isolated
from ..conf import settings

#: The first thresholds that Python starts with, until 3.12 and since.
PYTHONS = (700, 2_000)


def settle() -> None:
    """Collect less often, and never again what the process has started with.

    Only where nobody else has chosen: `gc.disable()` and `gc.set_threshold()` of the project stay
    in force, and so does a test's own collector.
    """
    threshold = settings.GC_THRESHOLD
    if threshold is None or is_isolated() or not gc.isenabled():
        return
    first, *others = gc.get_threshold()
    if first not in PYTHONS:
        return
    # What is garbage already would be kept for ever.
    gc.collect()
    gc.freeze()
    gc.set_threshold(threshold, *others)
