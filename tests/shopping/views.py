"""A login for programs, and a form."""

from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from realtime import emit
from realtime.authentication import make_token


def token(request):
    user = authenticate(request, **request.POST.dict())
    if user is None:
        return JsonResponse({}, status=403)
    return JsonResponse({"token": make_token(user)})


@login_required
def add(request, pk):
    shopping_list = get_object_or_404(request.user.list_set, pk=pk)
    item = shopping_list.item_set.create(title=request.POST["title"])
    reminder = {"to": shopping_list, "namespace": "/lists", "on_commit": True}
    emit("reminder", item.title, skip=request, **reminder)
    return JsonResponse({"id": item.pk})
