"""Views that emit. The body of a request is JSON: `event`, `args`, and options of `emit`.

The option `user` is a user's name, for `to=` that user, and `clerk` the same for `to=` the child.
"""

import json
import threading
import time
from datetime import timedelta
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authtoken.models import Token

from realtime import RealtimeError, aemit, emit
from realtime.authentication import make_token
from realtime.metrics import counts as counters
from tests.site.models import Clerk, Colleague


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.user.get_username()})


def counts(request: HttpRequest) -> JsonResponse:
    return JsonResponse(counters)


@csrf_exempt
def emit_from_sync_view(request: HttpRequest) -> JsonResponse:
    event, args, options = order(request)
    if "user" in options:
        options["to"] = User.objects.get(username=options.pop("user"))
    if "clerk" in options:
        options["to"] = Clerk.objects.get(username=options.pop("clerk"))
    try:
        emit(event, *args, **options)
    except RealtimeError as error:
        return failure(error)
    return JsonResponse({})


@csrf_exempt
async def emit_from_async_view(request: HttpRequest) -> JsonResponse:
    event, args, options = order(request)
    try:
        await aemit(event, *args, **options)
    except RealtimeError as error:
        return failure(error)
    return JsonResponse({})


@csrf_exempt
async def wrong_emit_in_async_view(request: HttpRequest) -> JsonResponse:
    event, args, options = order(request)
    try:
        emit(event, *args, **options)
    except RealtimeError as error:
        return failure(error)
    return JsonResponse({})


@csrf_exempt
def save_group(request: HttpRequest) -> JsonResponse:
    """The emit is that of receivers.py."""
    _, (name,), _ = order(request)
    Group.objects.create(name=name)
    return JsonResponse({})


@csrf_exempt
def commit(request: HttpRequest) -> JsonResponse:
    """The event follows "before", which is emitted after it, because it leaves with the commit."""
    event, args, options = order(request)
    with transaction.atomic():
        emit(event, *args, on_commit=True, **options)
        emit("before", **options)
    return JsonResponse({})


@csrf_exempt
def roll_back(request: HttpRequest) -> JsonResponse:
    event, args, options = order(request)
    with transaction.atomic():
        emit(event, *args, on_commit=True, **options)
        transaction.set_rollback(True)
    return JsonResponse({})


@csrf_exempt
def emit_from_thread(request: HttpRequest) -> JsonResponse:
    event, args, options = order(request)
    thread = threading.Thread(target=emit, args=(event, *args), kwargs=options)
    thread.start()
    thread.join()
    return JsonResponse({})


def script(request: HttpRequest) -> HttpResponse:
    return render(request, "tests_site/script.html")


@csrf_exempt
def log_out(request: HttpRequest) -> JsonResponse:
    logout(request)
    return JsonResponse({})


@csrf_exempt
def log_in_again(request: HttpRequest) -> JsonResponse:
    """Put another user in the place of the one who is logged in, without a log-out."""
    _, (name,), _ = order(request)
    login(request, User.objects.get(username=name))
    return JsonResponse({})


@csrf_exempt
def end_session(request: HttpRequest) -> JsonResponse:
    """Do to a session what other code than a log-out does to it."""
    _, (change,), _ = order(request)
    key = request.COOKIES["sessionid"]
    rows = Session.objects.filter(session_key=key)
    if change == "row":
        rows.delete()
    elif change == "raw":
        rows._raw_delete("default")
    elif change == "expires":
        rows.update(expire_date=timezone.now() + timedelta(seconds=1))
    elif change == "emptied":
        request.session.clear()
        request.session["left"] = "something"
    return JsonResponse({})


@csrf_exempt
def change_user(request: HttpRequest) -> JsonResponse:
    """Do to a user what an administrator does."""
    _, (name, change), _ = order(request)
    if change == "create":
        User.objects.create_user(name, password=name)
        return JsonResponse({})
    if change == "forget":
        User.objects.filter(username=name).delete()
        return JsonResponse({})
    user = User.objects.get(username=name)
    if change == "delete":
        user.delete()
    elif change == "password":
        user.set_password("another")
        user.save()
    elif change == "deactivate":
        user.is_active = False
        user.save(update_fields=["is_active"])
    elif change == "update":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif change == "proxy":
        Colleague.objects.filter(pk=user.pk).first().delete()  # type: ignore[union-attr]
    elif change == "token":
        Token.objects.get(user=user).delete()
    elif change in ("child", "employ"):
        clerk = Clerk(user_ptr=user, desk="by the window")
        clerk.__dict__.update({k: v for k, v in user.__dict__.items() if k != "_state"})
        clerk.save()
        clerk.is_active = change == "employ"
        clerk.save()
    else:
        user.first_name = change
        user.save()
    return JsonResponse({})


@csrf_exempt
def make_a_token(request: HttpRequest) -> JsonResponse:
    """A token of some kind for a user; a log-in with name and password stands behind it in life."""
    kind, (name, age), _ = order(request)
    user = User.objects.get(username=name)
    if kind == "signed":
        token = make_token(user, age=age)
    elif kind == "drf":
        token = Token.objects.get_or_create(user=user)[0].key
    else:
        claims = {"sub": str(user.pk), "exp": time.time() + age}
        token = jwt.encode(claims, settings.REALTIME["JWT"]["KEY"], "HS256")
    return JsonResponse({"token": token})


def order(request: HttpRequest) -> tuple[str, list[Any], dict[str, Any]]:
    options = json.loads(request.body)
    if options.pop("skip_request", False):
        options["skip"] = request
    return options.pop("event"), options.pop("args"), options


def failure(error: RealtimeError) -> JsonResponse:
    return JsonResponse({"error": type(error).__name__, "message": str(error)}, status=503)
