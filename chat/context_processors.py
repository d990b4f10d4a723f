from typing import Any

from django.http import HttpRequest

from chat.models import Announcement, Membership


def chat(request: HttpRequest) -> dict[str, Any]:
    """What the frame around every chat page shows; nothing for those who are not logged in."""
    if not request.user.is_authenticated or request.path.startswith("/admin/"):
        return {}
    return {
        "announcements": Announcement.objects.filter(active=True),
        "memberships": Membership.objects.filter(user=request.user)
        .select_related("room")
        .with_unread(),
    }
