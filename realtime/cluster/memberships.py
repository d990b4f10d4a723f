"""Which groups of the channel layer this process is in, and keeping it so."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable

from ..conf import settings
from .bus import Bus
from .groups import Group

#: How often memberships are looked after: lost ones joined again, unused ones left. Seconds.
UPKEEP_INTERVAL = 1.0
#: How long a group is kept after its last member left, for those that come back. Seconds.
LINGER = 10.0
#: Groups that are joined at a time when many are to be joined again.
AT_A_TIME = 50


class Memberships:
    """The groups that our sockets need.

    A membership is renewed when a third of the layer's expiry is over: it counts from the joining,
    not from the last use.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        #: Needed whatever sockets there are; joined first.
        self._own: list[Group] = []
        #: How many of our sockets need a group.
        self._needed: Counter[Group] = Counter()
        #: Groups that the layer has us in, and since when.
        self._joined: dict[Group, float] = {}
        #: Since when nobody here needs a group that we are in.
        self._unneeded: dict[Group, float] = {}

    def __len__(self) -> int:
        return len(self._joined)

    @property
    def complete(self) -> bool:
        """Whether the layer has us in every group that we need."""
        return all(group in self._joined for group in self._needed)

    @property
    def needed(self) -> Iterable[Group]:
        return self._needed.keys()

    def own(self, *groups: Group) -> None:
        """Be in these groups for as long as the process serves."""
        self._own += groups
        self._needed.update(groups)

    def forget(self) -> None:
        """The layer may have forgotten us: join every group again."""
        self._joined.clear()

    async def subscribe(self, groups: Iterable[Group]) -> None:
        """Some of our sockets are in these groups from now on.

        Returns once the layer knows it, so that an emit from any process arrives. While the layer
        is down the groups are joined later, and sockets here hear this process only.
        """
        missing = [group for group in self._own if group not in self._joined]
        for group in groups:
            self._needed[group] += 1
            if group not in self._joined:
                missing.append(group)
        for group in missing:
            if not self._bus.in_trouble:  # else nobody waits for a layer that hangs: see keep_up
                await self._add(group)

    def unsubscribe(self, groups: Iterable[Group]) -> None:
        """A socket of ours is out of these groups."""
        now = asyncio.get_running_loop().time()
        for group in groups:
            self._needed[group] -= 1
            if self._needed[group] <= 0:
                del self._needed[group]
                self._unneeded[group] = now

    async def keep_up(self) -> list[Group]:
        """One round: join what is missing, renew what is old, leave what nobody needs.

        Returns the groups that were left.
        """
        now = asyncio.get_running_loop().time()
        missing = [group for group in self._needed if group not in self._joined]
        await self._add_all([*missing, *self._old(now)])
        left = []
        for group, since in list(self._unneeded.items()):
            if group in self._needed:
                del self._unneeded[group]
            elif now - since > LINGER:
                del self._unneeded[group]
                await self._discard(group)
                left.append(group)
        return left

    def _old(self, now: float) -> list[Group]:
        """The groups to renew, the oldest first; so few that each second has its share."""
        renewal = getattr(self._bus.layer, "group_expiry", math.inf) / 3
        share = max(AT_A_TIME, math.ceil(3 * len(self._joined) * UPKEEP_INTERVAL / renewal))
        old: list[Group] = []
        for group, since in self._joined.items():
            if now - since <= renewal or len(old) >= share:
                break
            old.append(group)
        return old

    async def leave_all(self) -> None:
        """The process stops serving."""
        self._own.clear()
        self._needed.clear()
        self._unneeded.clear()
        for group in list(self._joined):
            if self._bus.in_trouble:
                break  # memberships end by themselves
            await self._discard(group)

    async def _add_all(self, groups: list[Group]) -> None:
        for start in range(0, len(groups), AT_A_TIME):
            await asyncio.gather(*map(self._add, groups[start : start + AT_A_TIME]))
            if self._bus.in_trouble:
                return

    async def _add(self, group: Group) -> None:
        bus = self._bus
        if bus.layer is None:
            return
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                await bus.call(bus.layer.group_add, bus.group(group), await bus.channel())
        except Exception as error:  # each layer has errors of its own; the upkeep tries again
            bus.trouble(error)
        else:
            self._joined.pop(group, None)  # to its end: the oldest come first
            self._joined[group] = asyncio.get_running_loop().time()
            bus.well()

    async def _discard(self, group: Group) -> None:
        bus = self._bus
        self._joined.pop(group, None)
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                await bus.call(bus.layer.group_discard, bus.group(group), await bus.channel())
        except Exception as error:  # as above; the membership expires by itself
            bus.trouble(error)
        if group in self._needed:  # a socket came while we were leaving
            await self._add(group)
