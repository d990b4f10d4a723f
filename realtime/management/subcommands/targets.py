"""Which sockets a subcommand is about: `--to`, `--user`, `--sid`, `--namespace`."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from ...node import rooms
from .base import INCOMPLETE, Options, Output, usage

PK = "pk:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """`to` and `namespace` as the verbs take them; `text` is both for people."""

    to: list[Any] | None
    namespace: str | None
    text: str


def add_arguments(parser: CommandParser, *, everyone: str) -> None:
    """Options that name sockets; `everyone` says what happens without any."""
    group = parser.add_argument_group(
        "which sockets",
        "--to, --user and --sid may be repeated; a socket that matches several of them counts once."
        f" {everyone}",
    )
    group.add_argument(
        "--to",
        "--room",
        action="append",
        default=[],
        metavar="ROOM",
        help="the sockets in a room",
    )
    group.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="NAME",
        help="the sockets of a user, by username or primary key; pk:7 is always the key",
    )
    group.add_argument(
        "--sid",
        action="append",
        default=[],
        metavar="SID",
        help="the id of a socket, with or without its ~",
    )
    group.add_argument(
        "--namespace",
        metavar="NAME",
        help="the namespace; / by default, or the socket's own if only --sid is given",
    )


def add_all_namespaces(parser: CommandParser) -> None:
    parser.add_argument("--all-namespaces", action="store_true", help="in every namespace")


def targets(options: Options, *, default: str | None = "/") -> Targets:
    """The sockets that the options name. Raises CommandError."""
    named = [
        *options["to"],
        *(find_user(name) for name in options["user"]),
        *(parse_sid(text) for text in options["sid"]),
    ]
    namespace = namespace_option(options, default)
    texts = [
        *(f"room {name!r}" for name in options["to"]),
        *(f"user {name!r}" for name in options["user"]),
        *(f"socket {sid}" for sid in options["sid"]),
    ]
    where = "every namespace" if namespace is None else f"namespace {namespace!r}"
    whom = " and ".join(texts) or "everyone"
    return Targets(to=named or None, namespace=namespace, text=f"{whom} in {where}")


def namespace_option(options: Options, default: str | None) -> str | None:
    name: str | None = options["namespace"]
    if options.get("all_namespaces"):
        if name is not None:
            raise usage("use either --namespace or --all-namespaces, not both")
        return None
    if name is None:
        return None if only_sids(options) else default
    if not name.startswith("/"):
        raise usage(f"a namespace must begin with '/': --namespace /{name}")
    return name


def only_sids(options: Options) -> bool:
    """Whether only sids are given: each is in one namespace, which need not be named."""
    return bool(options["sid"]) and not (options["to"] or options["user"])


def parse_sid(text: str) -> str:
    """A sid. The ~ may be left out: some shells expand it to a home directory."""
    sid = text if text.startswith(rooms.RESERVED) else rooms.RESERVED + text
    if not rooms.is_sid(sid):
        raise usage(
            f"{text!r} is not a sid: that is 10 characters, a dot and 20 characters, as in the"
            " first column of `manage.py realtime sockets`"
        )
    return sid


def find_user(name: str) -> Model:
    """The user with this username, or this primary key. Raises CommandError."""
    if not apps.is_installed("django.contrib.auth"):
        raise usage("there are no users: django.contrib.auth is not in INSTALLED_APPS")
    model = get_user_model()
    if name.startswith(PK):
        found = [_by_key(name.removeprefix(PK))]
    else:
        by_name = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
        found = [by_name, _by_key(name)]
    users = {user.pk: user for user in found if user is not None}
    if not users:
        raise usage(f"there is no user with the {model.USERNAME_FIELD} or primary key {name!r}")
    if len(users) > 1:
        raise usage(
            f"{name!r} is the {model.USERNAME_FIELD} of one user and the primary key of another:"
            f" write {' or '.join(f'{PK}{pk}' for pk in users)}"
        )
    (user,) = users.values()
    return user


def _by_key(key: str) -> Model | None:
    model = get_user_model()
    try:
        return model._default_manager.filter(pk=key).first()
    except (ValueError, ValidationError):  # not a valid key of this model
        return None


def confirm(question: str, options: Options, output: Output) -> None:
    """Ask for confirmation, unless told not to. Raises CommandError if the answer is no."""
    check_may_ask(options, output)
    if options["no_input"]:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError(
            "Nothing was done. To run without confirmation, use --no-input.",
            returncode=INCOMPLETE,
        )


def check_may_ask(options: Options, output: Output) -> None:
    """Raise CommandError if a question would get in the way of a script."""
    if output.is_json and not options["no_input"]:
        raise usage("with --json the command can't ask: add --no-input to confirm")


def add_no_input(parser: CommandParser) -> None:
    parser.add_argument(
        "--no-input", "--noinput", action="store_true", help="do not ask for confirmation"
    )


def count(number: int, noun: str) -> str:
    """ "1 socket", "2,000 sockets"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
