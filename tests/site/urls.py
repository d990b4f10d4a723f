from django.contrib.auth.views import LoginView
from django.urls import path

from tests.site import views

urlpatterns = [
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
]
