"""Token buckets: how often a client may do something. Pure."""

from collections import OrderedDict
from ipaddress import IPv6Address

#: Addresses that are remembered; the one that was seen longest ago is forgotten first.
REMEMBERED = 10_000


class TokenBucket:
    """Lets `rate` things a second pass, and up to twice as many at once after a calm second."""

    __slots__ = ("_filled", "_tokens", "overrun", "prepaid", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._tokens = 2 * rate
        self._filled = now
        #: How many more may pass before `take` has to look; see `take_some`.
        self.prepaid = 0
        #: For callers that report only the first refusal.
        self.overrun = False

    def take(self, now: float) -> bool:
        """Whether one more may pass now; `now` is in seconds of a clock that never goes back."""
        rate = self.rate
        tokens = self._tokens + (now - self._filled) * rate
        if tokens > 2 * rate:
            tokens = 2 * rate
        self._filled = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True

    def take_some(self, now: float) -> bool:
        """Take one, and the hundredth part of a second's as well if they are there.

        These are the caller's to take back from `prepaid`, one for each that passes without asking.
        """
        if not self.take(now):
            return False
        more = int(self.rate // 100)
        if self._tokens >= more:
            self._tokens -= more
            self.prepaid = more
        return True

    def owe(self, count: int, now: float) -> float:
        """Let `count` pass, and return after how many seconds there is nothing to make up for."""
        tokens = min(2 * self.rate, self._tokens + (now - self._filled) * self.rate) - count
        self._filled, self._tokens = now, tokens
        return max(0.0, -tokens / self.rate)


def network_of(address: str) -> str:
    """Whose address it is: of IPv6 the /64, since each customer of a provider has one at least."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


class AddressLimit:
    """A bucket for each address, or for each network of IPv6."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def bucket(self, address: str, rate: float, now: float) -> TokenBucket:
        """The address's bucket of this rate."""
        network = network_of(address)
        bucket = self._buckets.get(network)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[network] = TokenBucket(rate, now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(network)
        return bucket
