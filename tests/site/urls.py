from django.contrib.auth.views import LoginView
from django.urls import path

from realtime import health
from realtime.authentication import token_view
from realtime.prometheus import metrics_view
from tests.site import lists, views

urlpatterns = [
    path("healthz/live", health.live),
    path("healthz/ready", health.ready),
    path("who/", views.who, name="who"),
    path("login/", LoginView.as_view(template_name="tests_site/login.html"), name="login"),
    path("emit/", views.emit_from_sync_view),
    path("aemit/", views.emit_from_async_view),
    path("emit-in-async-view/", views.wrong_emit_in_async_view),
    path("save/", views.save_group),
    path("commit/", views.commit),
    path("roll-back/", views.roll_back),
    path("thread/", views.emit_from_thread),
    path("counts/", views.counts),
    path("log-out/", views.log_out),
    path("log-in-again/", views.log_in_again),
    path("end-session/", views.end_session),
    path("change-user/", views.change_user),
    path("token/", token_view),
    path("make-token/", views.make_a_token),
    path("change-list/", lists.change_list),
    path("metrics/", metrics_view),
    path("script/", views.script),
]
