from typing import Any

from django import template

register = template.Library()
HUES = 8


@register.filter
def hue(user: Any) -> str:
    """The style class with a user's colour; chat/static/chat/dom.js has the same rule."""
    return f"hue-{user.pk % HUES}"
