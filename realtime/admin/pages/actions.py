"""What can be done to rooms, sockets and users: confirmed, checked, carried out and logged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext

from ...exceptions import RealtimeError
from ...models import Shown
from ...operations.reports import Outcome
from .asking import silent
from .base import LiveAdmin


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something to do to entries, known by their keys.

    Its texts are in English, marked by gettext_noop, and translated where they are shown.
    """

    name: str
    label: str
    question: str
    #: A permission with its app's label.
    permission: str
    model: type[Shown]
    #: The flag of its entries in the admin's log.
    flag: int
    #: What was done to that many sockets, translated: "3 sockets were disconnected."
    done: Callable[[int], str]
    run: Callable[[Sequence[str]], Outcome]
    #: What the entry with a key is called; None for an invalid key.
    label_of: Callable[[str], str | None]
    #: The entry that the log names instead, as {key: label}; by default those it was done to.
    logged_for: dict[str, str] | None = None

    def is_allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.permission)


def offered(request: HttpRequest, actions: Iterable[Action]) -> list[Action]:
    """Those that the reader may use."""
    return [action for action in actions if action.is_allowed(request)]


def act_on_selected(
    model_admin: LiveAdmin, request: HttpRequest, actions: Iterable[Action], **context: Any
) -> HttpResponse:
    """Answer the POST of a list with checkboxes: first with the question, then with the action."""
    back = request.get_full_path()
    chosen = next((a for a in actions if a.name == request.POST.get("action")), None)
    if chosen is None:
        messages.warning(request, gettext("No action selected."))
        return HttpResponseRedirect(back)
    return carry_out(
        model_admin, request, chosen, request.POST.getlist(ACTION_CHECKBOX_NAME), back, **context
    )


def carry_out(
    model_admin: LiveAdmin,
    request: HttpRequest,
    action: Action,
    keys: Sequence[str],
    back: str,
    **context: Any,
) -> HttpResponse:
    """Ask for confirmation or, once that was given, do it and go back."""
    if not action.is_allowed(request):
        raise PermissionDenied
    entries = {key: label for key in keys if (label := action.label_of(key)) is not None}
    if not entries:
        messages.warning(
            request,
            gettext(
                "Items must be selected in order to perform actions on them. No items have been"
                " changed."
            ),
        )
        return HttpResponseRedirect(back)
    if request.method == "POST" and request.POST.get("post") == "yes":
        _do(request, action, entries)
        return HttpResponseRedirect(back)
    hidden = [("action", action.name), *((ACTION_CHECKBOX_NAME, key) for key in entries)]
    context |= {"question": gettext(action.question), "entries": list(entries.values())}
    return confirmation(model_admin, request, gettext(action.label), hidden, back, **context)


def confirmation(
    model_admin: LiveAdmin,
    request: HttpRequest,
    title: str,
    hidden: Sequence[tuple[str, str]],
    back: str,
    **context: Any,
) -> HttpResponse:
    """The confirmation page; its form posts the hidden fields again, and post=yes, to this URL."""
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Are you sure?"),
        "subtitle": None,
        "opts": model_admin.opts,
        "action_title": title,
        "hidden": [*hidden, ("post", "yes")],
        "back": back,
        **context,
    }
    return TemplateResponse(request, "admin/realtime/confirmation.html", context)


def disconnected(count: int) -> str:
    """For the actions that disconnect."""
    said = ngettext(
        "%(count)d socket was disconnected.", "%(count)d sockets were disconnected.", count
    )
    return said % {"count": count}


def removed(count: int) -> str:
    """For the actions that take sockets out of a room."""
    said = ngettext("%(count)d socket was removed.", "%(count)d sockets were removed.", count)
    return said % {"count": count}


def _do(request: HttpRequest, action: Action, entries: dict[str, str]) -> None:
    logged = entries if action.logged_for is None else action.logged_for
    try:
        outcome = action.run(list(entries))
    except (RealtimeError, TimeoutError) as error:
        failure = gettext("This may not have been done, or only in part: %(error)s")
        messages.error(request, failure % {"error": error})
        failed = gettext("“%(action)s” failed: %(error)s")
        said = failed % {"action": gettext(action.label), "error": error}
        write_log(request, action.model, logged, CHANGE, said)
        return
    text = said = action.done(outcome.sockets)
    if outcome.missing:
        said += " " + gettext("No answer from: %(nodes)s.") % {"nodes": ", ".join(outcome.missing)}
    write_log(request, action.model, logged, action.flag, said)
    if outcome.sockets:
        messages.success(request, text)
    else:
        gone = gettext("What you selected is already gone.")
        messages.warning(request, f"{text} {gone}")
    if outcome.missing:
        messages.warning(request, silent(outcome.missing))


def write_log(
    request: HttpRequest, model: type[Shown], entries: dict[str, str], flag: int, message: str
) -> None:
    """One entry in the admin's log for each, with its key and its label."""
    logged = []
    for key, label in entries.items():
        entry = model(key=_storable(key))
        entry.label = _storable(label)
        logged.append(entry)
    LogEntry.objects.log_actions(request.user.pk, logged, flag, _storable(message))  # type: ignore[arg-type]


def _storable(text: str) -> str:
    """PostgreSQL stores any text except one with NUL in it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
