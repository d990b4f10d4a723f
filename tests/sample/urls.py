from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.urls import path

from realtime import disconnect_sockets, emit


def pay(request: HttpRequest) -> HttpResponse:
    emit("paid", 7, to="accounting")
    emit("paid", 7)
    emit("committed", on_commit=True)
    disconnect_sockets(namespace="/", connection=True)
    logout(request)
    return HttpResponse()


urlpatterns: list[Any] = [path("pay/", pay)]
