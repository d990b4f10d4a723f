"""Socket.IO 5: events, acks and attachments of a client that keeps to the protocol."""

import json

import pytest

from tests.conformance.servers import Server
from tests.conformance.talker import Log, Talker

PLACEHOLDERS = ['{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}']


@pytest.mark.parametrize(
    "payload",
    [
        '1,"2",{"3":[true]}',
        "null,-0.5,1e3,12345678901234567890",
        '"äöü €\U0001f600","\\u0000\\u001e"',
        '{"_placeholder":true,"num":0},{"_placeholder":1}',
        '"a[\\"b"',
        "[" * 90 + "]" * 90,
    ],
)
async def test_arguments_come_back_as_they_were(talk: Server, payload: str) -> None:
    client = await Talker.joined(talk.port)
    client.send(f'2["mirror",{payload}]')
    answer = await client.receive()
    assert isinstance(answer, str)
    assert json.loads(answer[1:]) == json.loads(f'["mirrored",{payload}]')


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize("ack_id", ["0", "7", "456", "9007199254740991"])
async def test_an_event_with_an_ack_id_has_one_ack(
    talk: Server, namespace: str, ack_id: str
) -> None:
    client = await Talker.joined(talk.port, "/" + namespace.strip("/,"))
    client.send(f'2{namespace}{ack_id}["echo",1,"2",{{"3":[false]}}]')
    await client.expect(f'3{namespace}{ack_id}[1,"2",{{"3":[false]}}]')
    client.send(f'2{namespace}["mirror"]')
    await client.expect(f'2{namespace}["mirrored"]')


async def test_none_is_acked_as_one_null(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["nothing"]')
    await client.expect("31[null]")


async def test_an_ack_can_be_withheld(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["withheld"]', '22["nothing"]')
    await client.expect("32[null]")


async def test_an_ack_can_be_given_later_and_only_once(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["later"]', '22["echo"]', '23["now"]', '24["echo"]')
    await client.expect("32[]", '31["late"]', "33[null]", "34[]")


async def test_the_same_ack_id_again_is_answered_again(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["echo",1]', '21["echo",2]')
    await client.expect("31[1]", "31[2]")


@pytest.mark.parametrize("namespace", ["/", "/registered"])
@pytest.mark.parametrize(
    ("event", "code", "line"),
    [
        ('["crash"]', "internal", "ERROR: the handler of event 'crash' raised, for"),
        (
            '["not a number"]',
            "internal",
            "ERROR: what the handler of event 'not a number' returned can't be sent, to",
        ),
        ('["cancel itself"]', "internal", "ERROR: the handler of event 'cancel itself' raised"),
        ('["deny",true]', "internal", "ERROR: the error of event 'deny' can't be sent, to"),
        ('["deny"]', "forbidden", "INFO: event 'deny' of SID failed: not for you"),
        ('["nope"]', "unknown_event", "WARNING: event 'nope' of SID failed: unknown event"),
        ("[5]", "unknown_event", "WARNING: event 5 of SID failed: unknown event 5"),
        ("[1.5]", "unknown_event", "WARNING: event 1.5 of SID failed"),
        ('["*"]', "unknown_event", "WARNING: event '*' of SID failed"),
        ('["past"]', "bad_arguments", "WARNING: event 'past' of SID failed: 'past'"),
        ('["past",1,2]', "bad_arguments", "WARNING: event 'past' of SID failed: 'past'"),
    ],
)
async def test_a_handler_that_fails_is_answered_and_logged_and_the_socket_stays(
    talk: Server, log: Log, namespace: str, event: str, code: str, line: str
) -> None:
    client = await Talker.joined(talk.port, namespace)
    head = "" if namespace == "/" else f"{namespace},"
    client.send(f"2{head}1{event}")
    answer = await client.receive()
    assert isinstance(answer, str)
    [value] = json.loads(answer.removeprefix(f"3{head}1"))
    assert value["error"]["code"] == code
    if code == "internal":
        assert "Traceback" in log.text
    else:
        await log.line()
    logger = "realtime.consumers" if namespace == "/" else "realtime.server"
    level, _, text = line.replace("SID", client.sid).partition(":")
    assert any(said.startswith(f"{level} {logger}:{text}") for said in log.lines), log.lines
    assert await client.ask("echo", 1, namespace=namespace) == [1]


async def test_a_long_event_name_makes_no_long_log_line(talk: Server, log: Log) -> None:
    client = await Talker.joined(talk.port)
    client.send(f'2["{"x" * 500_000}"]')
    assert await client.ask("echo", 1) == [1]
    assert len(await log.line()) < 500


@pytest.mark.parametrize(
    ("event", "args", "answer"),
    [
        ("declared", [1], ["declared", 1]),
        ("other", [1], ["caught", "other", 1]),
        ("*", ["declared", 1], ["caught", "*", "declared", 1]),
    ],
)
async def test_the_name_that_a_catch_all_hears_is_the_events(
    talk: Server, event: str, args: list[object], answer: list[object]
) -> None:
    client = await Talker.joined(talk.port, "/any")
    assert await client.ask(event, *args, namespace="/any") == [answer]


@pytest.mark.parametrize("namespace", ["/", "/custom"])
async def test_an_answer_to_the_server_arrives_while_its_handler_waits(
    talk: Server, namespace: str
) -> None:
    client = await Talker.joined(talk.port, namespace)
    head = "" if namespace == "/" else f"{namespace},"
    client.send(f'2{head}1["ask"]', f'2{head}2["echo","after"]')
    question = await client.receive()
    assert isinstance(question, str)
    number = question.removeprefix(f"2{head}").removesuffix('["question"]')
    client.send(f'3{head}{number}[{{"a":1}},"two"]')
    await client.expect(f'3{head}1[{{"a":1}},"two"]', f'3{head}2["after"]')


async def test_answers_that_nobody_awaits_are_ignored(talk: Server, log: Log) -> None:
    client = await Talker.joined(talk.port)
    client.send("30[]", "399[1]", "39007199254740991[]", '21["ask"]')
    question = await client.receive()
    assert isinstance(question, str)
    number = question.removeprefix("2").removesuffix('["question"]')
    # The second answer to one question comes too late.
    client.send(f'3{number}["first"]', f'3{number}["second"]')
    await client.expect('31["first"]')
    assert await client.ask("echo", 1) == [1]
    assert log.lines == []


async def test_a_client_that_leaves_without_its_answer_is_worth_one_line(
    talk: Server, log: Log, bystander: Talker
) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["ask"]')
    await client.receive()
    client.cut()
    await bystander.ended(client.sid)
    assert "the client left" in await log.line()


async def test_concurrent_handlers_can_ask_beside_each_other(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('2["ask beside"]', '2["ask beside"]')
    questions = [await client.receive(), await client.receive()]
    for question in reversed(questions):
        assert isinstance(question, str)
        number = question.removeprefix("2").removesuffix('["question"]')
        client.send(f"3{number}[{number}]")
    answers = {await client.receive(), await client.receive()}
    assert answers == {'2["answered",1]', '2["answered",2]'}


# Binary data


async def test_attachments_come_back_in_their_places(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    first, second = PLACEHOLDERS
    client.send(f'52-["mirror",{{"b":[{second}]}},{first}]', b"\1\2\3", b"\4\5\6")
    await client.expect(f'52-["mirrored",{{"b":[{first}]}},{second}]', b"\4\5\6", b"\1\2\3")


@pytest.mark.parametrize("namespace", ["", "/custom,"])
async def test_attachments_come_back_in_an_ack(talk: Server, namespace: str) -> None:
    client = await Talker.joined(talk.port, "/" + namespace.strip("/,"))
    client.send(f'52-{namespace}789["echo",{",".join(PLACEHOLDERS)}]', b"\1\2\3", b"\4\5\6")
    await client.expect(f"62-{namespace}789[{','.join(PLACEHOLDERS)}]", b"\1\2\3", b"\4\5\6")


async def test_an_ack_may_bring_attachments(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["ask"]')
    await client.expect('21["question"]')
    client.send(f"61-1[{PLACEHOLDERS[0]}]", b"\1")
    await client.expect(f"61-1[{PLACEHOLDERS[0]}]", b"\1")


async def test_one_attachment_may_stand_in_two_places(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send(f'51-["mirror",{PLACEHOLDERS[0]},{PLACEHOLDERS[0]}]', b"\1")
    await client.expect(f'52-["mirrored",{",".join(PLACEHOLDERS)}]', b"\1", b"\1")


async def test_what_only_looks_like_a_placeholder_stands_beside_attachments(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    other = '"_placeholder",{"_placeholder":false,"num":0},{"_placeholder":1}'
    client.send(f'51-["mirror",{PLACEHOLDERS[0]},{other}]', b"\1")
    await client.expect(f'51-["mirrored",{PLACEHOLDERS[0]},{other}]', b"\1")


async def test_ten_attachments_are_the_most_either_way(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    ten = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(10))
    client.send(f'510-1["echo",{ten}]', *[b"x"] * 10)
    await client.expect(f"610-1[{ten}]", *[b"x"] * 10)
    client.send('22["attach",10]')
    await client.expect(f'510-["attached",{ten}]', *[b"x"] * 10, '32["sent"]')
    [refusal] = await client.ask("attach", 11)
    assert "at most 10" in refusal


async def test_an_empty_attachment_arrives(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('2["attach nothing"]')
    await client.expect(f'52-["attached",{",".join(PLACEHOLDERS)}]')
    # As base64 text, and whole: Daphne drops an empty binary frame.
    assert await client.websocket.receive() == "b"
    await client.expect(b"x")


async def test_a_lone_surrogate_is_passed_on_escaped(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["echo","\\ud83d","\\udc00ä",{"\\udfff":1}]')
    answer = await client.receive()
    assert isinstance(answer, str)
    assert json.loads(answer[2:]) == ["\ud83d", "\udc00ä", {"\udfff": 1}]
    assert "\\ud83d" in answer.lower() and "ä" in answer


async def test_a_reserved_name_is_not_sent(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    [refusal] = await client.ask("reserved")
    assert "reserves" in refusal


# Order


async def test_events_stay_in_order_both_ways(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    for number in range(500):
        client.send(f'2["mirror",{number}]')
        if number % 50 == 0:
            client.send(f'51-["mirror",{PLACEHOLDERS[0]}]', b"\0")
    for number in range(500):
        await client.expect(f'2["mirrored",{number}]')
        if number % 50 == 0:
            await client.expect(f'51-["mirrored",{PLACEHOLDERS[0]}]', b"\0")


async def test_a_burst_arrives_in_order_before_its_ack(talk: Server) -> None:
    client = await Talker.joined(talk.port)
    client.send('21["burst",500]')
    for number in range(500):
        await client.expect(f'2["number",{number}]')
    await client.expect("31[null]")


# Handlers that came from python-socketio


async def test_an_answer_of_another_shape_breaks_no_later_callback(talk: Server, log: Log) -> None:
    client = await Talker.joined(talk.port, "/functions")

    async def question() -> str:
        client.send('2/functions,["ask","back"]')
        packet = await client.receive()
        assert isinstance(packet, str) and packet.endswith('["question"]')
        return packet.removeprefix("2/functions,").removesuffix('["question"]')

    client.send("3/functions,0[]")
    client.send(f"3/functions,{await question()}[1,2,3]")
    answer = f"answer of {client.sid}"
    client.send(f'3/functions,{await question()}["{answer}"]')
    client.send(f"3/functions,{await question()}[]")
    client.send('2/functions,1["answers"]')
    heard = await client.receive()
    assert isinstance(heard, str) and heard.startswith("3/functions,1") and answer in heard
    warnings = [line for line in log.lines if line.startswith("WARNING")]
    assert len(warnings) == 2 and "Traceback" not in log.text


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ('["ask"]', "bad_arguments"),
        ('["ask",1,2]', "bad_arguments"),
        ('["*","connect"]', "unknown_event"),
        ("[5]", "unknown_event"),
    ],
)
async def test_migrated_handlers_are_called_as_they_are_declared(
    talk: Server, log: Log, event: str, code: str
) -> None:
    client = await Talker.joined(talk.port, "/functions")
    client.send(f"2/functions,1{event}")
    answer = await client.receive()
    assert isinstance(answer, str)
    [value] = json.loads(answer.removeprefix("3/functions,1"))
    assert value["error"]["code"] == code
    assert "Traceback" not in log.text
