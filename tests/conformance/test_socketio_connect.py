"""Socket.IO 5: joining namespaces, and leaving them."""

import json

import pytest

from tests.conformance.raw import Closed, fetch
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, Log, Talker


async def test_connect_answers_with_a_public_id_of_its_own(talk: Server) -> None:
    client = await Talker.open(talk.port)
    client.send("0", "0/custom,")
    root, custom = await client.receive(), await client.receive()
    assert isinstance(root, str) and isinstance(custom, str)
    one, two = json.loads(root[1:]), json.loads(custom.removeprefix("0/custom,"))
    assert one.keys() == two.keys() == {"sid"}
    assert len({one["sid"], two["sid"], client.engine_sid}) == 3
    assert client.engine_sid not in root + custom


async def test_connect_again_has_a_fresh_id(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    first = client.sid
    client.send("1")
    await client.join()
    assert client.sid != first


@pytest.mark.parametrize(
    ("packet", "auth"),
    [
        ("0", None),
        ("0{}", {}),
        ('0{"token":"123"}', {"token": "123"}),
        ('0{"token":"ü\\ud83d\\ude00"}', {"token": "ü\U0001f600"}),
        ('0/,{"token":1}', {"token": 1}),
    ],
)
async def test_connect_passes_the_auth_object_on(talk: Server, packet: str, auth: object) -> None:
    client = await Talker.open(talk.port)
    client.send(packet)
    answer = await client.receive()
    assert isinstance(answer, str)
    assert await client.ask("past", json.loads(answer[1:])["sid"]) == [[["connect", auth]]]


@pytest.mark.parametrize("namespace", ["/custom", "/functions"])
async def test_emit_in_connect_follows_the_acceptance_as_it_was_made(
    talk: Server, namespace: str
) -> None:
    client = await Talker.joined(talk.port, namespace, {"welcome": True})
    await client.expect(f'2{namespace},["welcome",{{"said":"before"}}]')


@pytest.mark.parametrize("packet", ["0/custom", "0/custom,", "0/custom?token=1,", "0/custom?a=/b"])
async def test_the_query_of_a_namespace_is_dropped(talk: Server, packet: str) -> None:
    client = await Talker.open(talk.port)
    client.send(packet)
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('0/custom,{"sid":')


@pytest.mark.parametrize("namespace", ["/nope", "/custom/", "/Custom", "/nope/ü", "/" + "x" * 5000])
async def test_namespace_that_nothing_serves_is_refused_and_the_connection_stays(
    talk: Server, namespace: str
) -> None:
    client = await Talker.open(talk.port)
    client.send(f"0{namespace},")
    await client.expect(f'4{namespace},{{"message":"Invalid namespace"}}')
    await client.join("/custom")
    assert await client.ask("echo", 1, namespace="/custom") == [1]


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        ({"refuse": None}, {"message": "not today"}),
        ({"refuse": {"retry": 5}}, {"message": "not today", "data": {"retry": 5}}),
    ],
)
async def test_refusal_carries_message_and_data_and_the_connection_stays(
    talk: Server, log: Log, auth: object, error: object
) -> None:
    client = await Talker.open(talk.port)
    client.send(f"0/custom,{json.dumps(auth)}")
    answer = await client.receive()
    assert isinstance(answer, str)
    assert json.loads(answer.removeprefix("4/custom,")) == error
    await client.join("/custom")
    assert await client.ask("echo", 1, namespace="/custom") == [1]
    assert "Traceback" not in log.text


async def test_refusal_with_data_that_cannot_be_sent_is_still_an_answer(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.open(talk.port)
    client.send('0{"refuse with nonsense":1}')
    await client.expect('4{"message":"Internal error"}')
    assert len(log.lines) == 1 and "Traceback" in log.text
    await client.join()
    assert await bystander.ask("echo", 1) == [1]


async def test_connect_handler_that_raises_is_answered_and_leaves_nothing_behind(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.open(talk.port)
    client.send('0{"crash":1}')
    await client.expect('4{"message":"Internal error"}')
    assert len(log.lines) == 1 and log.text.count("Traceback") == 1
    await client.join()
    [members] = await bystander.ask("members")
    [everyone] = await bystander.ask("everyone")
    assert {client.sid, bystander.sid} <= set(members)
    assert not [sid for sid in members if everyone[sid][0] == ["connect", {"crash": 1}]]


async def test_a_connection_that_joins_no_namespace_is_closed(strict: Server) -> None:
    neighbour = await Talker.joined(strict.port)
    log = Log(strict)
    client = await Talker.open(strict.port)
    assert await client.closed() == []
    assert "joined no namespace" in await log.line()
    assert await neighbour.ask("echo", 1) == [1]


async def test_a_connection_that_was_refused_everywhere_is_closed(strict: Server) -> None:
    client = await Talker.open(strict.port)
    client.send("0/nope,", '0{"refuse":null}')
    assert len(await client.closed()) == 2


async def test_a_slow_connect_handler_counts_as_not_joined_yet(strict: Server) -> None:
    client = await Talker.open(strict.port)
    client.send('0{"sleep":30}')
    assert await client.closed() == []


async def test_disconnect_leaves_one_namespace_and_the_connection_stays(
    talk: Server, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    sid = client.sid
    await client.join("/custom")
    client.send("1")
    assert await client.ask("echo", 1, namespace="/custom") == [1]
    past = await bystander.ended(sid)
    assert past == [["connect", None], ["disconnect", "client namespace disconnect"]]
    await client.join()
    assert await client.ask("echo", 2) == [2]


async def test_a_connection_in_no_namespace_any_more_stays(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send("1")
    while await client.websocket.receive() != "2":
        pass
    client.websocket.send("3")
    await client.join()


async def test_server_may_close_the_connection_with_all_its_namespaces(
    talk: Server, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    sid = client.sid
    await client.join("/custom")
    client.send('2["go for good"]')
    assert sorted(map(str, await client.closed())) == ["41", "41/custom,"]
    assert (await bystander.ended(sid))[-1] == ["disconnect", "server namespace disconnect"]


async def test_disconnect_by_the_server_leaves_one_namespace(
    talk: Server, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    sid = client.sid
    await client.join("/custom")
    client.send('2["go"]')
    await client.expect("1")
    # What the client sent before it knew is ignored.
    client.send('2["mirror"]', "1")
    assert await client.ask("echo", 1, namespace="/custom") == [1]
    assert (await bystander.ended(sid))[-1] == ["disconnect", "server namespace disconnect"]


async def test_disconnect_reasons_have_the_reference_names(talk: Server, bystander: Talker) -> None:
    async def reason(end: str) -> str:
        client = await Talker.joined(talk.port)
        if end == "cut":
            client.cut()
        else:
            client.websocket.send(end)
        [*_, [_, reason]] = await bystander.ended(client.sid)
        return str(reason)

    assert await reason("41") == "client namespace disconnect"
    assert await reason("1") == "transport close"
    assert await reason("cut") in ("transport close", "transport error")
    assert await reason("4nonsense") == "parse error"
    assert await reason("nonsense") == "parse error"
    assert await reason("4" + "x" * 1_000_001) == "transport error"


async def test_a_client_that_answers_no_ping_is_gone_for_its_handler_too(pinging: Server) -> None:
    client = await Talker.joined(pinging.port)
    with pytest.raises(Closed):
        while True:
            assert await client.websocket.receive() == "2"
    witness = await Talker.joined(pinging.port)
    assert (await witness.ended(client.sid))[-1] == ["disconnect", "ping timeout"]


async def test_disconnect_handler_that_raises_leaves_nothing_behind(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    assert await client.ask("crash at the end") == [None]
    client.cut()
    past = await bystander.ended(client.sid)
    assert len(past) == 2
    [members] = await bystander.ask("members")
    assert client.sid not in members
    assert len(log.lines) == 1 and log.text.count("Traceback") == 1


async def test_a_client_that_leaves_during_a_slow_connect_is_no_ghost(
    talk: Server, bystander: Talker
) -> None:
    opening = await fetch(talk.port, "GET", POLLING)
    path = f"{POLLING}&sid={json.loads(opening.text[1:])['sid']}"
    auth = {"sleep": 0.3, "who": path}
    assert (await fetch(talk.port, "POST", path, f"40{json.dumps(auth)}".encode())).status == 200
    sids: list[str] = []
    while not sids:
        [everyone] = await bystander.ask("everyone")
        sids = [sid for sid, past in everyone.items() if past[:1] == [["connect", auth]]]
    [sid] = sids
    assert (await fetch(talk.port, "POST", path, b"1")).status == 200
    past = await bystander.ended(sid)
    assert past[1:] == [["disconnect", "transport close"]]
    [members] = await bystander.ask("members")
    assert sid not in members


async def test_the_client_address_is_the_clients(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    assert await client.ask("address") == [["127.0.0.1", "127.0.0.1"]]
