"""The index of a page of rooms or users, from what each node has of it.

A node answers with 64 bits and a number for each of its rows, which is little even for a hundred
thousand of them, and if names order the page with the first names. The asker merges what all nodes
answered, and asks again for the details of the rows that it shows.
"""

import asyncio
import functools
import hashlib
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from .asking import Body, Inquiry
from .paging import Key, Slice, first_keys, in_turns

T = TypeVar("T")

#: What a row is known by: (namespace, name) of a room, (model, primary key) of a user.
Pair = tuple[str, str]


# Of pages that are looked at again and again.
@functools.lru_cache(maxsize=50_000)
def digest(first: str, second: str) -> int:
    """64 bits that stand for a pair, in every process the same."""
    text = f"{len(first)}:{first}{second}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def pack_digests(digests: Collection[int]) -> bytes:
    return struct.pack(f"<{len(digests)}Q", *digests)


def unpack_digests(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def distinct(parts: Iterable[int | bytes]) -> int:
    """How many there are: some parts are numbers, others digests of which some may be the same."""
    united: set[int] = set()
    number = 0
    for part in parts:
        if isinstance(part, bytes):
            united.update(unpack_digests(part))
        else:
            number += part
    return number + len(united)


async def index_of(
    rows: Sequence[T],
    body: Body,
    *,
    pair: Callable[[T], Pair | None],
    number: Callable[[T], float],
    name_key: Callable[[T], Key],
    format: str,
) -> Body:
    """A node's answer: its own rows, without those whose `pair` is None.

    `number` is what is merged, and ordered by; `format` is how `struct` packs it.
    """
    digests, numbers = [], []
    found: list[T] = []
    for batch in in_turns(rows):
        for row in batch:
            known_by = pair(row)
            if known_by is not None:
                found.append(row)
                digests.append(digest(*known_by))
                numbers.append(number(row))
        await asyncio.sleep(0)
    names: list[Key] = []
    if body["order"] == "name":
        _, names = await first_keys(found, name_key, body["wanted"], body["descending"])
    return {
        "digests": pack_digests(digests),
        "numbers": struct.pack(f"<{len(numbers)}{format}", *numbers),
        "names": [list(name) for name in names],
    }


class Index:
    """The rows of all nodes by digest, with a number of each and how many nodes have it."""

    def __init__(self, merge: Callable[[float, float], float], format: str) -> None:
        self.hosts: Counter[int] = Counter()
        self._merge = merge
        self._format = format
        self._numbers: dict[int, float] = {}
        self._names: set[Key] = set()
        self._nodes: set[str] = set()

    def __len__(self) -> int:
        return len(self._numbers)

    async def ask(self, inquiry: Inquiry, name: str, question: Body) -> None:
        """Merge what all nodes answer to the question of this name."""
        for node, answer in (await inquiry.ask(name, question)).items():
            await self._add(node, answer)

    async def _add(self, node: str, answer: Body) -> None:
        self._nodes.add(node)
        digests = unpack_digests(answer["digests"])
        values = struct.unpack(f"<{len(digests)}{self._format}", answer["numbers"])
        numbers = self._numbers
        for batch in in_turns(list(zip(digests, values, strict=True))):
            for row, number in batch:
                known = numbers.get(row)
                numbers[row] = number if known is None else self._merge(known, number)
                self.hosts[row] += 1
            await asyncio.sleep(0)
        for names in in_turns(answer["names"]):
            self._names.update(map(tuple, names))
            await asyncio.sleep(0)

    async def first(self, wanted: Slice, pair: Callable[[Key], Pair]) -> list[int]:
        """The digests of the slice, in order; `pair` is what a key of names stands for."""
        if wanted.field == "name":
            names = list(self._names)
            _, keys = await first_keys(names, lambda key: key, wanted.end, wanted.descending)
            return [digest(*pair(key)) for key in keys[wanted.offset :]]
        numbers = self._numbers
        _, keys = await first_keys(
            list(numbers), lambda row: (numbers[row], row), wanted.end, wanted.descending
        )
        return [row for _, row in keys[wanted.offset :]]

    async def details(
        self, inquiry: Inquiry, name: str, question: Body
    ) -> dict[Pair, list[list[Any]]]:
        """What the nodes with rows tell of some of them: a part from each node that has the row."""
        if not question["digests"]:
            return {}
        return await details(inquiry, name, question, nodes=self._nodes)


async def details(
    inquiry: Inquiry, name: str, question: Body, *, nodes: Collection[str] | None = None
) -> dict[Pair, list[list[Any]]]:
    """What nodes tell of some rows, by pair: a part from each node that has the row."""
    parts: dict[Pair, list[list[Any]]] = {}
    for answer in (await inquiry.ask(name, question, nodes=nodes)).values():
        for first, second, *part in answer:
            parts.setdefault((first, second), []).append(part)
    return parts
