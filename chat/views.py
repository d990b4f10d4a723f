"""The pages. They work without JavaScript too: `emit` tells the open sockets what was posted."""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.generic import FormView

from chat.consumers import NAMESPACE
from chat.forms import MessageForm, RoomForm, SignUpForm
from chat.images import CONTENT_TYPES
from chat.models import Membership, Message, Room
from realtime import emit


class SignUpView(FormView):
    template_name = "registration/signup.html"
    form_class = SignUpForm
    success_url = reverse_lazy("rooms")

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        login(self.request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
        return super().form_valid(form)


@login_required
@require_http_methods(["GET", "POST"])
def rooms(request: HttpRequest) -> HttpResponse:
    """All rooms, and the form that makes a new one."""
    form = RoomForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (room := form.create(request.user)):
        # The room is stored in any case, so a channel layer that is down must not fail the request.
        emit("room", room.as_dict(), namespace=NAMESPACE, on_commit=True, fail_silently=True)
        return redirect(room)
    everything = Room.objects.annotate(
        message_count=Count("messages"), latest=Max("messages__created")
    )
    mine = Membership.objects.filter(user=request.user).with_unread()
    unread = dict(mine.values_list("room", "unread"))
    for room in everything:
        room.unread = unread.get(room.pk, 0)
    return render(request, "chat/rooms.html", {"form": form, "rooms": everything})


@login_required
@require_http_methods(["GET", "POST"])
def room(request: HttpRequest, slug: str) -> HttpResponse:
    """The room's page; to open it is to join. POST comes from browsers without JavaScript."""
    room = get_object_or_404(Room, slug=slug)
    form = MessageForm()
    if request.method == "POST":
        form = MessageForm(request.POST, request.FILES)
        if form.is_valid():
            message = form.save(room, request.user)
            emit(
                "message",
                message.as_dict(),
                to=room,
                namespace=NAMESPACE,
                on_commit=True,
                fail_silently=True,
            )
            return redirect(room)
    membership, _ = Membership.objects.get_or_create(room=room, user=request.user)
    before = request.GET.get("before", "")
    messages, older = room.messages.latest_page(int(before) if before.isdecimal() else None)
    if messages:
        membership.read_up_to(messages[-1].pk)
    context = {"room": room, "form": form, "messages": messages, "older": older, "before": before}
    return render(request, "chat/room.html", context, status=200 if not form.errors else 422)


@login_required
@require_POST
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    Membership.objects.filter(room__slug=slug, user=request.user).delete()
    return redirect("rooms")


@login_required
@require_GET
def picture(request: HttpRequest, message_id: int) -> HttpResponseBase:
    """A picture from a room, served as the type that its bytes had on arrival, never as a page."""
    message = get_object_or_404(Message.objects.exclude(image=""), pk=message_id)
    headers: dict[str, Any] = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    extension = message.image.name.rpartition(".")[2]
    return FileResponse(
        message.image.open(),
        content_type=CONTENT_TYPES[extension],
        filename=f"picture-{message.pk}.{extension}",
        headers=headers,
    )
