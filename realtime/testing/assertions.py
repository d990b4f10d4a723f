"""What a test says about emits: nothing leaves a test environment, and everything is recorded."""

import contextlib
from collections.abc import Iterator
from typing import Any

from asgiref.sync import sync_to_async

from ..cluster.isolation import reaching_out
from ..node import publisher, records, rooms
from ..node.records import Emitted
from ..operations.arguments import NOT_GIVEN
from .transactions import run_commit_hooks, waiting_hooks
from .values import on_the_wire

#: The emits of this test, in order, whoever made them: views, tasks, commands, consumers.
outbox = records.emitted
#: The operations of this test, and its questions of presence.
operations = records.asked


def assert_emitted(
    event: str,
    *args: Any,
    to: Any = NOT_GIVEN,
    namespace: str | None = None,
    count: int | None = None,
) -> list[Emitted]:
    """Fail unless an event was emitted in this test. Returns the matching emits.

    Only what you pass is compared. `args` are all arguments of the event, as they were passed to
    `emit` or as clients get them. `to` is what it is in `emit`: an emit matches if all of these are
    among its recipients, and None matches emits to everyone. `count` is how many emits must match.
    """
    found = _matching(event, args, to, namespace)
    if count is None and not found:
        _fail(f"{_wanted(event, args, to, namespace)} was not emitted.")
    if count is not None and len(found) != count:
        wanted = _wanted(event, args, to, namespace)
        _fail(f"{wanted} was emitted {_times(len(found))}, not {_times(count)}.")
    return found


def assert_not_emitted(
    event: str | None = None, *args: Any, to: Any = NOT_GIVEN, namespace: str | None = None
) -> None:
    """Fail if an event was emitted in this test. Without `event`, fail if anything was emitted."""
    if _matching(event, args, to, namespace):
        _fail(f"{_wanted(event, args, to, namespace)} was emitted.")


class RealtimeAssertions:
    """A mixin for test cases."""

    def assertEmitted(  # noqa: N802 - named as unittest's assertions are
        self,
        event: str,
        *args: Any,
        to: Any = NOT_GIVEN,
        namespace: str | None = None,
        count: int | None = None,
    ) -> list[Emitted]:
        """`assert_emitted` as a method."""
        return assert_emitted(event, *args, to=to, namespace=namespace, count=count)

    def assertNotEmitted(  # noqa: N802 - named as unittest's assertions are
        self,
        event: str | None = None,
        *args: Any,
        to: Any = NOT_GIVEN,
        namespace: str | None = None,
    ) -> None:
        """`assert_not_emitted` as a method."""
        assert_not_emitted(event, *args, to=to, namespace=namespace)


class capture_emits:  # noqa: N801 - used like a function
    """Records the emits of a block in a list: `with capture_emits() as emits: ...`.

    At the end of the block, it runs the on-commit hooks, which a `TestCase` doesn't run by itself.
    Blocks can be nested; each hook runs once. In async code, use `async with`.
    """

    def __init__(self) -> None:
        self._emits: list[Emitted] = []
        self._hooks: dict[str, int] = {}

    def __enter__(self) -> list[Emitted]:
        self._hooks = waiting_hooks()
        records.captures.append(self._emits)
        return self._emits

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        try:
            if kind is None:
                run_commit_hooks(self._hooks)
        finally:
            # By identity: two that are still empty are equal.
            records.captures[:] = [c for c in records.captures if c is not self._emits]

    async def __aenter__(self) -> list[Emitted]:
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, *error: Any) -> None:
        await sync_to_async(self.__exit__)(*error)


@contextlib.contextmanager
def real_layer() -> Iterator[None]:
    """Let this process use the channel layer of the settings, as outside of tests.

    Emits and operations reach the other processes of that layer, or raise ChannelLayerError.
    """
    with reaching_out():
        try:
            yield
        finally:
            publisher.close()


def _matching(
    event: str | None, args: tuple[Any, ...], to: Any, namespace: str | None
) -> list[Emitted]:
    names = None if to is NOT_GIVEN else rooms.targets(to)
    expected = on_the_wire(args)
    return [
        emit
        for emit in records.emitted
        if event in (None, emit.event)
        and (not args or list(emit.args) == expected)
        and (to is NOT_GIVEN or _is_to(emit, names))
        and namespace in (None, emit.namespace)
    ]


def _is_to(emit: Emitted, names: tuple[str, ...] | None) -> bool:
    if names is None or emit.to is None:
        return names is emit.to
    return set(names) <= set(emit.to)


def _wanted(event: str | None, args: tuple[Any, ...], to: Any, namespace: str | None) -> str:
    said = "An event" if event is None else repr(event)
    if args:
        said += f" with {', '.join(map(repr, args))}"
    if to is not NOT_GIVEN:
        names = rooms.targets(to)
        said += " to everyone" if names is None else f" to {', '.join(map(repr, names))}"
    return said if namespace is None else f"{said} in {namespace!r}"


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def _fail(complaint: str) -> None:
    __tracebackhide__ = True
    lines = [complaint]
    emits = list(records.emitted)
    lines.append(f"Emitted in this test ({len(emits)}):" if emits else "Nothing was emitted.")
    lines += [f"  {emit}" for emit in emits]
    if hooks := sum(waiting_hooks().values()):
        lines.append(
            f"On-commit hooks that have not run: {hooks}. A TestCase never commits; wrap what"
            " emits in `with capture_emits():` to run them."
        )
    raise AssertionError("\n".join(lines))
