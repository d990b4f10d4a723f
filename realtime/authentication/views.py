"""A view that gives a page a token of the site's own."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .signed import token_for


@login_not_required  # it looks at the user itself: a script can do nothing with a login form
@never_cache
@require_safe
def token_view(request: HttpRequest) -> JsonResponse:
    """A view that answers `{"token": ...}` to logged-in users, and 401 to others.

    Add it to your URLs: `path("realtime/token/", token_view)`.
    """
    token = token_for(request)
    if not token:
        return JsonResponse({"message": "Log in first."}, status=401)
    return JsonResponse({"token": token})
