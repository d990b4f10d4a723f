"""`{% load realtime %}{% realtime_script %}`: the stock Socket.IO client on a page."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..conf import settings

register = template.Library()


@register.simple_tag
def realtime_script() -> SafeString:
    """The script element that defines `io`, in the build that speaks the site's parser."""
    build = "socket.io.msgpack.min.js" if settings.PARSER == "msgpack" else "socket.io.min.js"
    return format_html('<script src="{}"></script>', static(f"realtime/{build}"))
