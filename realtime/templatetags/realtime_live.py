"""`{% load realtime_live %}{% realtime_live %}`: what makes a page of the realtime admin live."""

import json

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from ..admin.live.staff import NAMESPACE
from ..conf import settings
from .realtime import realtime_script

register = template.Library()


@register.simple_tag
def realtime_live() -> SafeString:
    """The stylesheet and the scripts for a page with an element of the id "realtime-live"."""
    return format_html(
        '<link rel="stylesheet" href="{}">{}<script type="module" src="{}" '
        'id="realtime-live-script" data-path="{}" data-namespace="{}" data-texts="{}"></script>',
        static("realtime/admin/live.css"),
        realtime_script(),
        static("realtime/admin/live.js"),
        settings.PATH,
        NAMESPACE,
        json.dumps(_texts()),
    )


def _texts() -> dict[str, str]:
    return {
        "connecting": gettext("Connecting"),
        "live": gettext("Live"),
        "reconnecting": gettext("Reconnecting"),
        "timer": gettext("Every 10 seconds"),
        "paused": gettext("Paused"),
        "out": gettext("You are signed out, or may not see this page any more"),
        "pause": gettext("Pause"),
        "resume": gettext("Resume"),
        "charts": gettext("The last five minutes"),
        "process": gettext("process"),
        "sockets": gettext("Sockets"),
        "eventsIn": gettext("Events in, a second"),
        "eventsOut": gettext("Events out, a second"),
        "memory": gettext("Memory"),
        "atMost": gettext("at most"),
        "feed": gettext("Events"),
        "feedOn": gettext("Show events"),
        "feedOff": gettext("Stop"),
        "feedHelp": gettext("What is emitted to this room is shown only while you ask for it."),
        "feedWaits": gettext("Events appear here as they are emitted, the newest first."),
        "feedMissed": gettext("The connection was lost: what is emitted meanwhile is not shown."),
        "noFeed": gettext("There is no live connection to show events over."),
        "clear": gettext("Clear"),
        "skipped": gettext("%(count)s more events were not shown"),
        "everyone": gettext("to the whole namespace"),
        "skips": gettext("left out: %(count)s"),
        "tooBig": gettext("too big to be shown: %(bytes)s bytes"),
    }
