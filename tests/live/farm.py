"""The processes of one test session, and what they log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.live.servers import Process, Server

#: What a healthy server never logs.
MISHAPS = ["Traceback", "never awaited", "never retrieved", "Task was destroyed"]


class Farm:
    """The servers of a test session: each kind is started once, when a test first asks for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shared: dict[Any, Server] = {}
        self._processes: list[Process] = []

    def shared(self, *kinds: str, **environment: str) -> list[Server]:
        """Servers that many tests use; those that are new start together."""
        keys = [(kind, *sorted(environment.items())) for kind in kinds]
        new = []
        for kind, key in zip(kinds, keys, strict=True):
            if key not in self._shared:
                self._shared[key] = self._server(kind, environment)
                new.append(self._shared[key])
        start(*new)
        return [self._shared[key] for key in keys]

    def own(self, *kinds: str, **environment: str) -> list[Server]:
        """Servers for one test, which stops them by `end`."""
        servers = [self._server(kind, environment) for kind in kinds]
        start(*servers)
        return servers

    def run(self, *processes: Process) -> None:
        """Start further processes; their logs are checked like the servers'."""
        self._processes += processes
        start(*processes)

    def end(self, *processes: Process) -> None:
        # Redis was there before its servers, and goes after them.
        ending = list(reversed(processes or self._processes))
        for process in ending:
            if isinstance(process, Server):
                process.terminate()
        for process in ending:
            process.stop()

    def news(self) -> dict[str, str]:
        """What each process logged since the last call."""
        return {process.name: process.news() for process in self._processes}

    def folder(self, name: str) -> Path:
        folder = self._folder / f"{name}-{len(self._processes)}"
        folder.mkdir()
        return folder

    def _server(self, kind: str, environment: Mapping[str, str]) -> Server:
        server = Server(kind, self._folder, len(self._processes), environment)
        self._processes.append(server)
        return server


def start(*processes: Process) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.wait()


def mishaps(news: Mapping[str, str]) -> dict[str, str]:
    """The logs, by process, that hold what a healthy server never logs."""
    return {name: text for name, text in news.items() if any(word in text for word in MISHAPS)}
