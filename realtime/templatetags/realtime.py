"""`{% load realtime %}{% realtime_script %}`: the stock Socket.IO client on a page.

`{% realtime_token %}` is a token with which a script may say who the page's user is.
"""

from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..authentication.signed import token_for
from ..conf import settings

register = template.Library()

#: Where the stock client looks for a server by itself.
CLIENTS_OWN_PATH = "/socket.io/"


def site_path() -> str:
    """Where browsers find Socket.IO: `REALTIME["PATH"]` below the path that the site is at."""
    # What {% url %} puts in front: FORCE_SCRIPT_NAME, or what the web server was told.
    return f"{get_script_prefix().rstrip('/')}{settings.PATH.rstrip('/')}/"


@register.simple_tag
def realtime_script(*, headers: bool = True) -> SafeString:
    """`{% realtime_script %}` writes the script elements that define `io`, the JavaScript client.

    It takes the build for the site's `REALTIME["PARSER"]`. If Socket.IO is not served at
    /socket.io/, it tells `io` where. A small script names the page's sockets in its requests, for
    `emit(skip=request)`; `{% realtime_script headers=False %}` leaves it out.
    """
    build = "socket.io.msgpack.min.js" if settings.PARSER == "msgpack" else "socket.io.min.js"
    script = format_html('<script src="{}"></script>', static(f"realtime/{build}"))
    if headers:  # before path.js, which wraps the client
        script += format_html('<script src="{}"></script>', static("realtime/page/sids.js"))
    path = site_path()
    if path == CLIENTS_OWN_PATH:
        return script
    address = static("realtime/page/path.js")
    return format_html('{}<script src="{}" data-path="{}"></script>', script, address, path)


@register.simple_tag(takes_context=True)
def realtime_token(context: Any) -> str:
    """`{% realtime_token %}` writes a token of the page's user, for SignedTokenAuthentication.

    It writes nothing for an anonymous user. Don't store a page with a token in a cache that users
    share. Raises ImproperlyConfigured if the template has no request with a user.
    """
    request = context.get("request")
    if not hasattr(request, "user"):
        raise ImproperlyConfigured(
            "{% realtime_token %} needs the request and its user in the template: the context"
            " processor django.template.context_processors.request, and AuthenticationMiddleware"
        )
    return token_for(request)
