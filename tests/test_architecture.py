"""The imports of `realtime`, drawn: they point down the house's floors, and run in no circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent / "realtime"

#: The rooms from the roof to the ground, those of one line beside each other. A room imports from
#: those below, and from no other.
FLOORS = [
    ["apps"],
    ["checks", "templatetags"],
    ["admin"],
    ["management"],
    ["doctor"],
    ["testing"],
    ["asgi"],
    ["health", "prometheus", "tracing"],
    ["changes", "durable"],
    ["emitters", "routing"],
    ["consumers", "auth"],
    ["rules"],
    ["events", "models", "migrations"],
    ["once", "permissions"],
    ["operations"],
    ["presences", "authentication", "recovery"],
    ["revocation"],
    ["compat"],
    ["server"],
    ["relay"],
    ["node"],
    ["cluster"],
    ["engine"],
    ["metrics"],
    ["protocol", "schema"],
    ["conf", "exceptions", "logs", "middleware", "orjson", "signals", "version", "installed"],
    ["aio", "json"],
]
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}
#: Imports for types only that run up or in a circle: two files that are one thing.
FOR_TYPES = {
    ("permissions", "consumers.consumer"),
    ("engine.connection", "engine.sessions"),
    ("engine.heartbeat", "engine.sessions"),
    ("engine.wire", "engine.connection"),
    ("relay.conversations", "relay.links"),
    ("compat.client_manager", "compat.server"),
    ("compat.handlers", "compat.server"),
}


def modules() -> dict[str, Path]:
    found = {}
    for path in HOUSE.rglob("*.py"):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """What a module imports of the house, and whether for types only."""
    path = MODULES[module]
    tree = ast.parse(path.read_text())
    is_package = path.name == "__init__.py"
    parts = module.split(".") if module else []
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = parts[: len(parts) - node.level + is_package]
        base += (node.module or "").split(".") if node.module else []
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            target = whole if whole in MODULES else ".".join(base)
            if target != module:
                yield target, node in for_types


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_room_has_its_floor() -> None:
    assert {room(module) for module in MODULES if module} == set(HEIGHT)


@pytest.mark.parametrize("module", sorted(filter(None, MODULES)))
def test_imports_point_down(module: str) -> None:
    up = [
        target
        for target, for_types in imports(module)
        if room(target) != room(module)
        and HEIGHT[room(target)] >= HEIGHT[room(module)]
        and not (for_types and (module, target) in FOR_TYPES)
    ]
    assert not up, f"{module} imports from its own floor or a higher one"


def test_imports_run_in_no_circle() -> None:
    graph = {
        module: {
            target
            for target, for_types in imports(module)
            if target and not (for_types and (module, target) in FOR_TYPES)
        }
        # The face of the package, which imports names when they are first used.
        for module in filter(None, MODULES)
    }
    while leaves := [module for module, targets in graph.items() if not targets & graph.keys()]:
        for leaf in leaves:
            del graph[leaf]
    assert not graph, "each of these imports another one of them"


def test_exceptions_for_types_are_all_needed() -> None:
    found = {
        (module, target)
        for module in MODULES
        if module
        for target, for_types in imports(module)
        if for_types
    }
    assert found >= FOR_TYPES
