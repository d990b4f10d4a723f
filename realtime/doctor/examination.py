"""The examination: one test after another, from the settings to an event through the layer."""

import contextlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..conf import settings
from ..emitters import emit
from ..exceptions import EmitError
from ..operations.reports import NodesReport
from . import cluster, policy
from .client import Client
from .diagnoses import no_page, not_live
from .findings import Ailment, Findings
from .namespace import NAMESPACE, new_token
from .postgres import examine_postgres
from .site import Answer, Site, fetch
from .wires import Polling, Websocket, Wire, greeting, probe

AnyWire = TypeVar("AnyWire", bound=Wire)

#: Seconds that a process has to become ready.
START = 5.0


@dataclass(kw_only=True)
class Examination:
    """Examines a site; the results are in `findings`."""

    site: Site
    findings: Findings = field(default_factory=Findings)

    def run(self) -> Findings:
        cluster.examine_settings(self.findings)
        # First the site: under Daphne its first request makes a node of a process.
        is_live = self._is_live()
        if is_live:
            self._examine_ready()
        self._layer_works = cluster.examine_layer(self.findings)
        if self._layer_works:
            examine_postgres(self.findings)
        self._nodes = cluster.examine_nodes(self.findings) if self._layer_works else None
        self._token, self._room = new_token()
        self._clients: dict[str, Client] = {}
        self._wires: list[Wire] = []
        if is_live:
            self._examine_origin()
            try:
                self._examine_transports()
                self._examine_ways()
            finally:
                for wire in self._wires:
                    with contextlib.suppress(Ailment):  # it was to end anyway
                        wire.close()
            self._examine_policy()
        return self.findings

    # The addresses

    def _is_live(self) -> bool:
        with self.findings.trying("address") as success:
            answer = fetch(self.site, self.site.path("health/live"))
            if answer.status != 200 or _object(answer).get("live") is not True:
                raise not_live(self.site, answer)
            success.text = f"realtime answers at {self.site.origin}{self.site.path()}"
        return success.worked

    def _examine_ready(self) -> None:
        with self.findings.trying("ready") as success:
            answer = self._patiently("health/ready")
            if answer.status != 200:
                reasons = _object(answer).get("reasons") or [f"HTTP {answer.status}"]
                raise Ailment(
                    f"a process is not ready: {'; '.join(map(str, reasons))}",
                    "Its log and that of Redis say why.",
                )
            success.text = "the process that answered is ready"

    def _patiently(self, path: str) -> Answer:
        """The answer of an address: a process that has just started gets a moment."""
        deadline = time.monotonic() + START
        while True:
            answer = fetch(self.site, self.site.path(path))
            if answer.status == 200 or time.monotonic() > deadline:
                return answer
            time.sleep(START / 10)

    def _examine_origin(self) -> None:
        """The same requests as below, with the Origin of a page of this site."""
        origin = self.site.origin
        with self.findings.trying("origin") as success:
            if "polling" in settings.TRANSPORTS:
                Polling(self.site, origin).close()
            else:
                Websocket(self.site, origin=origin).close()
            success.text = f"pages of {origin} may connect"

    def _examine_policy(self) -> None:
        path = f"{self.site.prefix}/"
        with self.findings.trying("policy") as success:
            answer = fetch(self.site, path)
            if answer.status == 400 or answer.status >= 500:
                raise no_page(self.site, answer, path)
            refused = policy.refuses(answer.headers.get("content-security-policy", ""), self.site)
            if refused is not None:
                raise Ailment(
                    f"the Content-Security-Policy of {path} keeps scripts from connecting:"
                    f" {refused}",
                    f"Add 'self' to connect-src, and for old Safari {self._websocket_origin()}.",
                )
            success.text = f"the page {path} may connect"

    def _websocket_origin(self) -> str:
        return f"{'wss' if self.site.secure else 'ws'}://{self.site.netloc}"

    # The transports: an event and its ack over each

    def _examine_transports(self) -> None:
        chosen = settings.TRANSPORTS
        if "polling" in chosen:
            self._try_client("polling", lambda: self._joined(self._opened(Polling(self.site))))
        if "websocket" in chosen:
            self._try_client("websocket", self._on_websocket)
        if "polling" in chosen and "websocket" in chosen and len(self._clients) == 2:
            self._try_client("upgrade", self._upgraded)
        elif "polling" in chosen and "websocket" in chosen:
            self._leave_out("upgrade", "it needs both polling and websocket to work")

    def _on_websocket(self) -> Client:
        wire = self._opened(Websocket(self.site))
        greeting(wire.receive()[0])
        return self._joined(wire)

    def _upgraded(self) -> Client:
        polling = self._opened(Polling(self.site))
        client = self._joined(polling)
        client.wire = self._opened(Websocket(self.site, sid=polling.sid))
        probe(client.wire)
        return client

    def _opened(self, wire: AnyWire) -> AnyWire:
        """Have the wire closed in the end."""
        self._wires.append(wire)
        return wire

    def _joined(self, wire: Wire) -> Client:
        client = Client(wire, self.site.patience)
        client.join(self._token)
        return client

    def _try_client(self, topic: str, make: Callable[[], Client]) -> None:
        with self.findings.trying(topic) as success:
            client = make()
            client.echo(secrets.token_hex(8))
            self._clients[topic] = client
            success.text = f"an event went to {client.node}, and its ack came back"

    # The ways to clients

    def _examine_ways(self) -> None:
        if not self._clients:
            self._leave_out("events", "no transport works")
            return
        self._examine_places()
        with self.findings.trying("events") as success:
            text = secrets.token_hex(8)
            next(iter(self._clients.values())).say(text)
            self._all_hear("said", text)
            success.text = f"an event emitted by a server reached {self._all_of_them()}"
        if not self._layer_works:
            self._leave_out("emit", "this command has no layer that reaches the servers")
            return
        with self.findings.trying("emit") as success:
            text = secrets.token_hex(8)
            try:
                emit("told", text, to=self._room, namespace=NAMESPACE)
            except EmitError as error:
                raise Ailment(str(error)) from None
            self._all_hear("told", text)
            success.text = (
                f"an event emitted by this command reached {self._all_of_them()} through the layer"
            )

    def _examine_places(self) -> None:
        """Whether the processes behind the address are those that answer through the layer."""
        known = _ids(self._nodes)
        strangers = {client.node for client in self._clients.values()} - known
        if self._layer_works and strangers:
            self.findings.note(
                "places",
                "error",
                f"{', '.join(sorted(strangers))} serves {self.site.origin}, but does not answer"
                " over this command's channel layer",
                "It uses a different layer from this command: other CHANNEL_LAYERS, Redis,"
                " database, prefix or REALTIME['CHANNEL_LAYER']. Or --url names another site.",
            )

    def _all_hear(self, event: str, text: str) -> None:
        for topic, client in self._clients.items():
            try:
                client.hears(event, text)
            except Ailment as ailment:
                raise Ailment(
                    f"the client on {topic}, at {client.node}, did not get it: {ailment}",
                    ailment.hint
                    or "Do all processes use the same layer? `manage.py realtime status` says which"
                    " are deaf.",
                ) from None

    def _all_of_them(self) -> str:
        nodes = {client.node for client in self._clients.values()}
        return f"its clients on {', '.join(self._clients)} at {', '.join(sorted(nodes))}"

    def _leave_out(self, topic: str, reason: str) -> None:
        self.findings.note(topic, "left out", reason)


def _ids(report: NodesReport | None) -> set[str]:
    return set() if report is None else {node.id for node in report.nodes}


def _object(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
