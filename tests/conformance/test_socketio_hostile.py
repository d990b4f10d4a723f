"""Socket.IO 5: clients that break the protocol, by mistake or on purpose.

Each is closed, which costs one log line and no traceback; its disconnect handler runs with the
reason "parse error", nothing of it stays in its rooms, and nobody else notices.
"""

import asyncio
import json

import pytest

from tests.conformance.raw import WebSocket, fetch
from tests.conformance.servers import Server
from tests.conformance.talker import POLLING, WEBSOCKET, Log, Talker

ONE = '{"_placeholder":true,"num":0}'

MALFORMED = {
    # What is no packet
    "an empty message": [""],
    "an unknown type": ["7"],
    "a letter for a type": ["abc"],
    "JSON true for a type": ["true"],
    "a minus sign": ["-1"],
    "a digit of another script": ["٢[]"],
    "a namespace without a comma": ["2/[“echo”]"],
    # Events
    "an event without a payload": ["2"],
    "an event that is an object": ["2{}"],
    "an event that is empty": ["2[]"],
    "an event that is null": ["2null"],
    "an event that is a text": ['2"echo"'],
    "an event whose name is null": ["2[null]"],
    "an event whose name is a boolean": ["2[true]"],
    "an event whose name is an array": ['2[["echo"]]'],
    "an event whose name is an object": ["2[{}]"],
    "an ack id of letters": ['2abc["echo"]'],
    "a negative ack id": ['2-1["echo"]'],
    "an ack id with a fraction": ['21.5["echo"]'],
    "an ack id of other digits": ['2٣["echo"]'],
    "an ack id of 200 digits": [f'2{"9" * 200}["echo"]'],
    **{
        f"the reserved name {name}": [f'2["{name}",{{}},{{"token":"stolen"}}]']
        for name in (
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
        )
    },
    "a reserved name with an ack id": ['21["connect"]'],
    "a reserved name in a binary event": [f'51-["disconnect",{ONE}]', b"x"],
    # Other types
    "a second connect": ["0"],
    "a second connect with auth": ['0{"token":1}'],
    "a connect whose auth is an array": ["0/custom,[]"],
    "a connect whose auth is a text": ['0/custom,"token"'],
    "a connect whose auth is a boolean": ["0/custom,true"],
    "a disconnect with a payload": ["1[]"],
    "a connect error": ['4{"message":"no"}'],
    "an ack without a payload": ["31"],
    "an ack that is an object": ["31{}"],
    # Namespaces that were not joined
    "an event for another namespace": ['2/custom,["echo"]'],
    "an ack for another namespace": ["3/custom,1[]"],
    "a disconnect of another namespace": ["1/custom,"],
    "an event for a namespace that nothing serves": ['2/nope,["echo"]'],
    "an event for a namespace of 100,000 characters": [f'2/{"x" * 100_000},["echo"]'],
    # Attachments
    "no number of attachments": ['5["mirror"]'],
    "no attachments": ['50-["mirror"]'],
    "a negative number of attachments": ['5-1-["mirror"]'],
    "9999999 attachments": [f'59999999-["mirror",{ONE}]'],
    "a number of attachments with 5000 digits": [f'5{"9" * 5000}-["mirror",{ONE}]'],
    "a number of attachments in other digits": [f'5١-["mirror",{ONE}]', b"x"],
    "a text among the attachments": [f'52-["mirror",{ONE},{ONE}]', b"x", "x"],
    "an event among the attachments": [f'51-["mirror",{ONE}]', '2["echo"]'],
    "a disconnect among the attachments": [f'51-["mirror",{ONE}]', "1"],
    "an attachment that nothing announced": [b"x"],
    "a text among the attachments of an event that was refused": [
        f'512-["mirror",{",".join([ONE] * 12)}]',
        b"x",
        '2["echo"]',
    ],
    "a disconnect whose payload is no JSON": ["1[NaN]"],
    "an attachment too many": [f'51-["echo",{ONE}]', b"x", b"x"],
    "a placeholder for the name": [f"51-[{ONE}]", b"x"],
    "a placeholder for the whole payload": [f"51-{ONE}", b"x"],
    "attachments of a connect": [f'51-/custom,{{"token":{ONE}}}', b"x"],
}


@pytest.mark.parametrize("packets", MALFORMED.values(), ids=MALFORMED.keys())
async def test_breaking_the_protocol_closes_the_connection(
    talk: Server, log: Log, bystander: Talker, packets: list[str | bytes]
) -> None:
    client = await Talker.joined(talk.port)
    client.send(*packets, '2["mirror","too late"]')
    assert await client.closed() == []
    assert "broke the protocol" in await log.line()
    assert await bystander.ended(client.sid) == [["connect", None], ["disconnect", "parse error"]]
    [members] = await bystander.ask("members")
    assert client.sid not in members and bystander.sid in members


TWELVE = [f'{{"_placeholder":true,"num":{number}}}' for number in range(12)]
TOO_MANY = "12 binary values in one event; at most 10 are allowed (REALTIME MAX_ATTACHMENTS)"

#: What follows can be read for certain: the event is lost, and nothing else.
UNREADABLE = {
    "NaN": (['["mirror",NaN]'], "NaN"),
    "Infinity": (['["mirror",[Infinity]]'], "Infinity"),
    "-Infinity": (['["mirror",{"a":-Infinity}]'], "Infinity"),
    "NaN for a name": (["[NaN]"], "NaN"),
    "a float out of range": (['["mirror",1e400]'], "out of range"),
    "an integer of 2000 digits": ([f'["mirror",{"9" * 2000}]'], "out of range"),
    "an integer of 5000 digits": ([f'["mirror",-{"9" * 5000}]'], "out of range"),
    "arrays nested 101 deep": ([f'["mirror",{"[" * 100}{"]" * 100}]'], "nested"),
    "arrays nested 100,000 deep": ([f'["mirror",{"[" * 100_000}'], "nested"),
    "objects nested 200 deep": (['["mirror",' + '{"a":' * 200 + "1" + "}" * 200 + "]"], "nested"),
    "a control character in a text": (['["mirror","\x01"]'], "control character"),
    "JSON that ends early": (['["mirror"'], "JSON"),
    "JSON and more": (['["mirror"]]'], "JSON"),
    "JSON with a comma too many": (['["mirror",]'], "JSON"),
    "twelve attachments": ([f'["mirror",{",".join(TWELVE)}]', *[b"x"] * 12], TOO_MANY),
    "NaN beside an attachment": ([f'["mirror",NaN,{ONE}]', b"x"], "NaN"),
    "no placeholder": (['["mirror"]', b"x"], "without a placeholder"),
    "a placeholder too few": ([f'["mirror",{ONE}]', b"x", b"x"], "without a placeholder"),
    "a placeholder without a number": (
        ['["mirror",{"_placeholder":true}]', b"x"],
        "names no attachment",
    ),
    **{
        f"a placeholder whose number is {number}": (
            [f'["mirror",{{"_placeholder":true,"num":{number}}}]', b"x"],
            "names no attachment" if number != "1e400" else "out of range",
        )
        for number in (
            "1",
            "-1",
            "0.0",
            "0.5",
            "1e400",
            '"0"',
            "true",
            "false",
            "null",
            "[0]",
            "{}",
        )
    },
}


def head(kind: int, attachments: list[str | bytes], rest: str) -> str:
    """The beginning of a packet, which is of the binary kind where attachments follow."""
    return f"{kind + 3}{len(attachments)}-{rest}" if attachments else f"{kind}{rest}"


@pytest.mark.parametrize(("parts", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_event_that_cannot_be_read_costs_that_event_alone(
    talk: Server, parts: list[str | bytes], reason: str
) -> None:
    text, *attachments = parts
    client = await Talker.joined(talk.port)
    await client.join("/custom")
    client.send(head(2, attachments, f"/custom,7{text}"), *attachments)
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith("3/custom,7[")
    [value] = json.loads(answer.removeprefix("3/custom,7"))
    assert value["error"]["code"] == "bad_data" and reason in value["error"]["message"]
    # Without an ack it is dropped; what follows is as if it had not been.
    client.send(head(2, attachments, str(text)), *attachments)
    client.send(f'51-1["echo",{ONE}]', b"x")
    await client.expect(f"61-1[{ONE}]", b"x")


async def test_an_event_that_cannot_be_read_is_in_the_log(brief: Server) -> None:
    log = Log(brief)
    client = await Talker.joined(brief.port)
    client.send(*['2["mirror",NaN]'] * 100, '21["echo",1]')
    await client.expect("31[1]")
    line = await log.line()
    assert "an event in '/'" in line and "NaN" in line


async def test_the_number_of_attachments_is_a_setting(roomy: Server) -> None:
    client = await Talker.joined(roomy.port)
    client.send(f'512-1["echo",{",".join(TWELVE)}]', *[b"x"] * 12)
    await client.expect(f"612-1[{','.join(TWELVE)}]", *[b"x"] * 12)


async def test_auth_that_cannot_be_read_is_refused(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('0/custom,{"token":NaN}', '2/custom,1["echo"]')
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('4/custom,{"message":"Bad auth')
    assert await client.ask("echo", 1) == [1]
    await client.join("/custom")


async def test_an_answer_that_cannot_be_read_ends_the_call(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('25["ask"]')
    question = await client.receive()
    assert isinstance(question, str)
    asked = question.removeprefix("2").partition("[")[0]
    client.send(f"3{asked}[NaN]")
    answer = await client.receive()
    assert isinstance(answer, str) and '"no_answer"' in answer
    assert await client.ask("echo", 1) == [1]


async def test_an_ack_without_an_id_is_ignored(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send("3[]", "3[1]")
    assert await client.ask("echo", 1) == [1]


# Before the join


@pytest.mark.parametrize(
    "packet", ['2["mirror"]', "1", "31[]", '2/custom,["mirror"]', "4", '4{"message":"no"}', "abc"]
)
async def test_anything_before_the_connect_closes_the_connection(
    talk: Server, log: Log, bystander: Talker, packet: str
) -> None:
    client = await Talker.open(talk.port)
    client.send(packet, "0")
    assert await client.closed() == []
    assert "broke the protocol" in await log.line()
    assert await bystander.ask("echo", 1) == [1]


async def test_events_behind_the_connect_wait_for_the_join(talk: Server) -> None:
    client = await Talker.open(talk.port)
    client.send('0{"sleep":0.2}', '21["echo","first"]', f'51-2["echo",{ONE}]', b"x", '2["mirror"]')
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('0{"sid"')
    await client.expect('31["first"]', f"61-2[{ONE}]", b"x", '2["mirrored"]')


async def test_events_behind_the_connect_wait_while_polling_too(talk: Server) -> None:
    opening = await fetch(talk.port, "GET", POLLING)
    path = f"{POLLING}&sid={json.loads(opening.text[1:])['sid']}"
    body = '40{"sleep":0.2}\x1e421["echo",1]\x1e40/custom,\x1e42/custom,2["echo",2]'
    assert (await fetch(talk.port, "POST", path, body.encode())).status == 200
    packets: list[str] = []
    while len(packets) < 4:
        packets += (await fetch(talk.port, "GET", path)).text.split("\x1e")
    heads = [packet.partition("{")[0] for packet in packets]
    assert heads.index("40") < heads.index("431[1]")
    assert heads.index("40/custom,") < heads.index("43/custom,2[2]")


async def test_events_wait_for_handlers_of_the_python_socketio_way(talk: Server) -> None:
    client = await Talker.open(talk.port)
    client.send("0/functions,", '2/functions,1["anything",2]')
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('0/functions,{"sid"')
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('3/functions,1[["caught"')


@pytest.mark.parametrize("connect", ['0/custom,{"refuse":1}', "0/nope,", '0/custom,{"crash":1}'])
async def test_events_behind_a_connect_that_is_refused_are_dropped(
    talk: Server, connect: str
) -> None:
    client = await Talker.joined(talk.port)
    namespace = connect[1:].partition(",")[0]
    client.send(connect, f'2{namespace},1["mirror"]', f"3{namespace},1[]")
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith(f"4{namespace},")
    client.send(f'2{namespace},2["mirror"]')
    assert await client.ask("echo", 1) == [1]


async def test_a_client_that_leaves_before_it_is_in_is_not_handled(
    talk: Server, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    client.send('0/custom,{"sleep":0.2}', "3/custom,1[]", '2/custom,1["echo"]', "1/custom,")
    await asyncio.sleep(0.4)
    assert await client.ask("echo", 1) == [1]
    await client.join("/custom")


async def test_events_behind_the_connect_are_bounded(strict: Server) -> None:
    neighbour = await Talker.joined(strict.port)
    client = await Talker.open(strict.port)
    before = strict.memory
    # By itself: to make the others takes time, and CONNECT_TIMEOUT is short here.
    client.send('0{"sleep":0.5}')
    client.send(*['2["nothing","' + "x" * 1000 + '"]'] * 50_000, '21["echo",1]')
    for _ in range(10):
        assert await neighbour.ask("echo", 1) == [1]
        await asyncio.sleep(0.05)
    assert strict.memory - before < 30_000_000
    answer = await client.receive()
    assert isinstance(answer, str) and answer.startswith('0{"sid"')


async def test_an_empty_websocket_message_leaves_no_ghost(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    client.websocket.send("")
    assert await client.closed() == []
    await log.line()
    assert (await bystander.ended(client.sid))[-1] == ["disconnect", "parse error"]
    [members] = await bystander.ask("members")
    assert client.sid not in members


async def test_breaking_the_protocol_in_one_namespace_ends_all(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    sids = [client.sid]
    await client.join("/custom")
    sids.append(client.sid)
    client.send("2/custom,{}")
    assert await client.closed() == []
    await log.line()
    for sid in sids:
        assert (await bystander.ended(sid))[-1] == ["disconnect", "parse error"]


async def test_breaking_the_protocol_in_the_middle_of_attachments_spares_the_next_client(
    talk: Server, bystander: Talker
) -> None:
    """A decoder belongs to one connection: what it waits for is nobody else's."""
    bystander.send(f'52-1["echo",{ONE},{{"_placeholder":true,"num":1}}]', b"a")
    client = await Talker.joined(talk.port)
    client.send(f'52-["mirror",{ONE},{ONE}]', b"x", "x")
    assert await client.closed() == []
    bystander.send(b"b")
    await bystander.expect(f'62-1[{ONE},{{"_placeholder":true,"num":1}}]', b"a", b"b")


@pytest.mark.parametrize(
    "body",
    [
        "42{}",
        '42["connect",{},{}]',
        "4abc",
        "450-[]",
        "bAQID",
        f'451-["mirror",{ONE}]\x1e42["mirror"]',
        '42["mirror"]\x1e4\x1e42["mirror","too late"]',
    ],
)
async def test_breaking_the_protocol_while_polling_closes_the_session(
    talk: Server, log: Log, bystander: Talker, body: str
) -> None:
    opening = await fetch(talk.port, "GET", POLLING)
    path = f"{POLLING}&sid={json.loads(opening.text[1:])['sid']}"
    assert (await fetch(talk.port, "POST", path, b"40")).status == 200
    joined = await fetch(talk.port, "GET", path)
    sid = json.loads(joined.text.removeprefix("40"))["sid"]
    await fetch(talk.port, "POST", path, body.encode())
    assert "broke the protocol" in await log.line()
    assert (await fetch(talk.port, "GET", path)).status == 400
    assert (await bystander.ended(sid))[-1] == ["disconnect", "parse error"]


# Too much


async def test_more_events_than_the_handlers_take_are_bounded(strict: Server) -> None:
    """50,000 events to a handler of five seconds: neither tasks nor memory for each of them."""
    neighbour = await Talker.joined(strict.port)
    client = await Talker.joined(strict.port)
    before = strict.memory
    client.send('2["slow"]', *['2["nothing","' + "x" * 1000 + '"]'] * 50_000)
    for _ in range(10):
        assert await neighbour.ask("echo", 1) == [1]
        await asyncio.sleep(0.05)
    assert strict.memory - before < 30_000_000
    client.cut()
    assert (await neighbour.ended(client.sid))[0] == ["connect", None]
    assert "Traceback" not in strict.log


async def test_more_events_instead_of_an_answer_are_bounded(strict: Server) -> None:
    neighbour = await Talker.joined(strict.port)
    client = await Talker.joined(strict.port)
    before = strict.memory
    client.send('2["ask"]', *['2["nothing","' + "x" * 1000 + '"]'] * 50_000)
    for _ in range(10):
        assert await neighbour.ask("echo", 1) == [1]
        await asyncio.sleep(0.05)
    assert strict.memory - before < 30_000_000
    client.cut()
    await neighbour.ended(client.sid)
    assert "Traceback" not in strict.log


async def test_a_second_namespace_does_not_lift_the_bound_of_the_first(strict: Server) -> None:
    """Both share one connection: what the second takes may not let more in for the first."""
    neighbour = await Talker.joined(strict.port)
    client = await Talker.joined(strict.port)
    await client.join("/custom")
    before = strict.memory
    both = ('2["nothing","' + "x" * 2000 + '"]', '2/custom,["withheld"]')
    client.send('2["slow"]', *both * 25_000)
    for _ in range(20):
        assert await neighbour.ask("echo", 1) == [1]
        await asyncio.sleep(0.1)
    assert strict.memory - before < 30_000_000
    assert "Traceback" not in strict.log


async def test_too_many_events_a_second_are_worth_few_lines(talk: Server, log: Log) -> None:
    client = await Talker.joined(talk.port)
    client.send(*['2["withheld"]'] * 30_000)
    client.send('21["echo",1]')
    await client.receive()
    assert len(log.lines) < 20


async def test_a_client_that_vanishes_behind_a_full_inbox_is_no_ghost(pinging: Server) -> None:
    neighbour = await Talker.joined(pinging.port)
    client = await Talker.joined(pinging.port)
    client.send(*['2["slow"]'] * 1_100)
    await asyncio.sleep(0.5)
    client.cut()
    # Nothing is read from it, so the next ping finds out.
    async with asyncio.timeout(10):
        while client.sid in (await neighbour.ask("members"))[0]:
            await asyncio.sleep(0.1)


async def test_a_full_inbox_of_a_socket_that_is_sent_away_holds_nobody_up(strict: Server) -> None:
    client = await Talker.joined(strict.port)
    sid = client.sid
    await client.join("/custom")
    client.send(*['2["slow"]'] * 60)
    await asyncio.sleep(0.3)
    neighbour = await Talker.joined(strict.port)
    assert await neighbour.ask("send away", sid) == [None]
    client.send('2/custom,5["echo",1]')
    async with asyncio.timeout(4):
        await client.expect("1", "3/custom,5[1]")


async def test_attachments_that_never_end_are_bounded(talk: Server, bystander: Talker) -> None:
    client = await Talker.joined(talk.port)
    before = talk.memory
    client.send(f'510-["mirror",{ONE}]')
    for _ in range(100):
        client.send(bytes(500_000))
    assert await client.closed() == []
    assert talk.memory - before < 40_000_000
    assert await bystander.ask("echo", 1) == [1]


async def test_namespaces_of_one_connection_are_bounded(talk: Server, bystander: Talker) -> None:
    client = await Talker.joined(talk.port)
    for number in range(2000):
        client.send(f"0/nope{number},")
    for number in range(2000):
        await client.expect(f'4/nope{number},{{"message":"Invalid namespace"}}')
    assert await client.ask("echo", 1) == [1]
    assert await bystander.ask("echo", 1) == [1]


async def test_leaving_and_joining_again_and_again_leaves_nothing(
    talk: Server, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    sids = [client.sid]
    for _ in range(200):
        client.send("1")
        await client.join()
        sids.append(client.sid)
    await bystander.ended(sids[-2])
    [members] = await bystander.ask("members")
    assert set(sids) & set(members) == {client.sid}


async def test_clients_that_vanish_leave_nothing(talk: Server, bystander: Talker) -> None:
    sids = []
    for _ in range(10):
        clients = await asyncio.gather(*(Talker.joined(talk.port) for _ in range(20)))
        sids += [client.sid for client in clients]
        for number, client in enumerate(clients):
            if number % 2:
                client.send(f'51-["mirror",{ONE}]')
            client.cut()
    for sid in sids:
        await bystander.ended(sid)
    [members] = await bystander.ask("members")
    assert not set(sids) & set(members)


async def test_the_engine_id_is_nowhere_to_be_read(talk: Server, log: Log) -> None:
    """It is a secret: whoever knows it can take the session over."""
    client = await Talker.joined(talk.port)
    client.send("2{}")
    await client.closed()
    await log.line()
    assert client.engine_sid not in talk.log


async def test_garbage_at_the_websocket_level_disturbs_nobody(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    client.websocket.send_frame(0x1, b"42\xff\xfe")
    assert await client.closed() == []
    assert (await bystander.ended(client.sid))[0] == ["connect", None]
    # The web server refuses it before we see it, uvicorn's websockets-sansio with a traceback.
    assert log.lines == []


async def test_a_websocket_that_says_nothing_at_all_disturbs_nobody(
    talk: Server, bystander: Talker
) -> None:
    websocket = await WebSocket.open(talk.port, WEBSOCKET)
    websocket.cut()
    assert await bystander.ask("echo", 1) == [1]
