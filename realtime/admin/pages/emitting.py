"""The form that emits an event to a room, a socket or a user."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy

from ...emitters import emit
from ...exceptions import RealtimeError
from ...json import loads
from ...node.emissions import encode
from ...operations.sockets import count_sockets
from .actions import confirmation, write_log
from .asking import Notes
from .base import LiveAdmin

MAX_EVENT = 200
#: Arguments are shown again on the page that asks, and in the admin's log up to here.
LOGGED = 1_000
EXAMPLE = '["hello", {"id": 7}]'


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom an event is for, and where the reader came from."""

    key: str
    label: str
    to: str
    namespaces: Sequence[str]
    back: str


class ArgumentsField(forms.CharField):
    """A JSON list with one item for each argument; empty for none."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            arguments = loads(text) if text else []
        except json.JSONDecodeError as error:
            text = gettext("This is not JSON: %(reason)s at line %(line)d, column %(column)d.")
            facts = {"reason": error.msg.lower(), "line": error.lineno, "column": error.colno}
            raise ValidationError(text % facts) from None
        except ValueError as error:
            text = gettext("This is not JSON: %(reason)s.")
            raise ValidationError(text % {"reason": error}) from None
        except RecursionError:
            raise ValidationError(gettext("This is nested too deeply.")) from None
        if not isinstance(arguments, list):
            text = gettext("The arguments must be a list, in brackets, with one item for each:")
            raise ValidationError(f"{text} {EXAMPLE}")
        return arguments


class EmitForm(forms.Form):
    """What to emit, and in which of the namespaces."""

    event = forms.CharField(label=gettext_lazy("Event"), max_length=MAX_EVENT, strip=False)
    arguments = ArgumentsField(label=gettext_lazy("Arguments"), required=False)
    namespace = forms.ChoiceField()

    def __init__(self, namespaces: Sequence[str], data: Any = None) -> None:
        super().__init__(data)
        self.fields["arguments"].help_text = gettext(
            "A JSON list with one item for each argument, such as %(example)s. Leave it empty if"
            " there are none."
        ) % {"example": EXAMPLE}
        # Written out, because a script checks what is typed by these.
        self.fields["event"].widget.attrs |= {"class": "vTextField", "autocomplete": "off"}
        self.fields["arguments"].widget.attrs |= {
            "class": "vLargeTextField realtime-json",
            "rows": 4,
            "spellcheck": "false",
            "autocomplete": "off",
        }
        self.fields["namespace"] = forms.ChoiceField(
            label=gettext("Namespace"), choices=[(namespace, namespace) for namespace in namespaces]
        )
        if len(namespaces) == 1:
            self.fields["namespace"].widget = forms.HiddenInput()
            self.fields["namespace"].initial = namespaces[0]

    @property
    def verdicts(self) -> str:
        """What emit.js says of the arguments while they are typed, as JSON."""
        return json.dumps(
            {
                "none": gettext("No arguments."),
                "one": gettext("1 argument: %(kinds)s."),
                "many": gettext("%(count)s arguments: %(kinds)s."),
                "notJSON": gettext("Not JSON: %(reason)s."),
                "notJSONAt": gettext("Not JSON at line %(line)s, column %(column)s: %(reason)s."),
                "notList": gettext("This must be a list, in brackets:"),
                "list": gettext("list"),
                "object": gettext("object"),
                "string": gettext("string"),
                "number": gettext("number"),
                "boolean": gettext("boolean"),
                "null": "null",
            }
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                encode(cleaned["event"], cleaned["arguments"], namespace="/", to=None)
            except (TypeError, ValueError) as error:
                text = gettext("This can't be sent: %(reason)s.") % {"reason": error}
                self.add_error("event", text)
            except RecursionError:
                self.add_error("arguments", gettext("This is nested too deeply."))
        return cleaned


def emit_view(model_admin: LiveAdmin, request: HttpRequest, target: Target) -> HttpResponse:
    """The form by itself, the confirmation, and the emit."""
    if not model_admin.has_emit_permission(request):
        raise PermissionDenied
    if not target.namespaces:
        text = gettext("%(target)s is not connected: there is nobody to emit to.")
        messages.warning(request, text % {"target": target.label})
        return HttpResponseRedirect(target.back)
    if request.method != "POST":
        return _page(model_admin, request, target, EmitForm(target.namespaces))
    form = EmitForm(target.namespaces, request.POST)
    if not form.is_valid():
        return _page(model_admin, request, target, form)
    if request.POST.get("post") == "yes":
        _emit(request, model_admin, target, form.cleaned_data)
        return HttpResponseRedirect(target.back)
    return confirmation(
        model_admin,
        request,
        gettext("Emit to %(target)s") % {"target": target.label},
        [(name, request.POST.get(name, "")) for name in form.fields],
        target.back,
        question=gettext("Emit this event to %(target)s?") % {"target": target.label},
        entries=[],
        facts=_facts(target, form.cleaned_data),
        trail=[(target.label, target.back)],
    )


def _facts(target: Target, what: dict[str, Any]) -> dict[str, str]:
    """What the reader has to confirm."""
    facts = {
        gettext("Event"): what["event"],
        gettext("Arguments"): json.dumps(what["arguments"], ensure_ascii=False, indent=2),
        gettext("Namespace"): what["namespace"],
    }
    notes = Notes()
    count = notes.ask(lambda: count_sockets(target.to, namespace=what["namespace"]))
    if count is not None:
        text = gettext("at least %(count)d") if count.missing else "%(count)d"
        facts[gettext("Sockets")] = text % {"count": count}
    if notes:
        facts[gettext("Problem")] = notes[0].text
    return facts


def _page(
    model_admin: LiveAdmin, request: HttpRequest, target: Target, form: EmitForm
) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Emit to %(target)s") % {"target": target.label},
        "subtitle": None,
        "opts": model_admin.opts,
        "form": form,
        "emit_url": request.get_full_path(),
        "back": target.back,
        "trail": [(target.label, target.back)],
    }
    return TemplateResponse(request, "admin/realtime/emit.html", context)


def _emit(
    request: HttpRequest, model_admin: LiveAdmin, target: Target, what: dict[str, Any]
) -> None:
    event, arguments, namespace = what["event"], what["arguments"], what["namespace"]
    shown = json.dumps(arguments, ensure_ascii=False)[:LOGGED]
    try:
        emit(event, *arguments, to=target.to, namespace=namespace)
    except (RealtimeError, TimeoutError) as error:
        text = gettext("The event may not have reached everyone: %(error)s")
        messages.error(request, text % {"error": error})
        said = gettext("Emitting “%(event)s” failed: %(error)s") % {"event": event, "error": error}
    else:
        text = gettext("The event “%(event)s” was emitted to %(target)s.")
        messages.success(request, text % {"event": event, "target": target.label})
        said = gettext("Emitted “%(event)s” in %(namespace)s with the arguments %(arguments)s") % {
            "event": event,
            "namespace": namespace,
            "arguments": shown,
        }
    write_log(request, model_admin.model, {target.key: target.label}, CHANGE, said)
