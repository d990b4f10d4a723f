"""`{% load realtime_live %}{% realtime_live %}`: keeps a page of realtime's admin up to date."""

import json
from datetime import UTC, datetime

import django
from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from ..admin.live.staff import NAMESPACE
from .realtime import realtime_script, site_path

register = template.Library()


@register.simple_tag
def realtime_live() -> SafeString:
    """The stylesheet and the scripts for a page with an element of the id "realtime-live"."""
    return format_html(
        '<link rel="stylesheet" href="{}">{}<script type="module" src="{}" '
        'id="realtime-live-script" data-path="{}" data-namespace="{}" data-texts="{}"></script>',
        static("realtime/admin/live.css"),
        realtime_script(headers=False),
        static("realtime/admin/live.js"),
        site_path(),
        NAMESPACE,
        json.dumps(_texts()),
    )


@register.simple_tag
def breadcrumbs_are_a_list() -> bool:
    """Whether the admin's stylesheet is for breadcrumbs in an `ol`, and not a `div`."""
    return django.VERSION >= (6, 1)


@register.filter
def ago(moment: datetime) -> str:
    """How long ago an aware time was, as people say it. It may be another machine's clock's."""
    minutes = int((datetime.now(UTC) - moment).total_seconds()) // 60
    hours, days = minutes // 60, minutes // (24 * 60)
    if days > 0:
        return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}
    if hours > 0:
        return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
    if minutes > 0:
        said = ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes)
        return said % {"count": minutes}
    return gettext("just now")


def _texts() -> dict[str, str]:
    return {
        "connecting": gettext("Connecting"),
        "live": gettext("Live"),
        "reconnecting": gettext("Reconnecting"),
        "timer": gettext("Every 10 seconds"),
        "paused": gettext("Paused"),
        "out": gettext("You are logged out, or may no longer see this page"),
        "pause": gettext("Pause"),
        "resume": gettext("Resume"),
        "charts": gettext("The last five minutes"),
        "process": gettext("process"),
        "sockets": gettext("Sockets"),
        "eventsIn": gettext("Events in per second"),
        "eventsOut": gettext("Events out per second"),
        "memory": gettext("Memory"),
        "peak": gettext("peak"),
        "fiveMinutesAgo": gettext("5 min ago"),
        "now": gettext("now"),
        "megabytes": gettext("%(count)s MB"),
        "volatile": gettext("volatile"),
        "feed": gettext("Events"),
        "feedOn": gettext("Show events"),
        "feedOff": gettext("Stop"),
        "feedHelp": gettext("Events emitted to this room appear here while you watch."),
        "feedWaits": gettext("Events appear here as they are emitted, newest first."),
        "feedMissed": gettext("The connection was lost: events emitted meanwhile are not shown."),
        "noFeed": gettext("Events can't be shown: there is no live connection."),
        "clear": gettext("Clear"),
        "skipped": gettext("%(count)s more events were not shown"),
        "everyone": gettext("to the whole namespace"),
        "skips": gettext("skipped sockets: %(count)s"),
        "tooBig": gettext("too large to show: %(bytes)s bytes"),
    }
