from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("chat.urls")),
    # The admin's pages name no icon, so browsers ask for the conventional one.
    path("favicon.ico", RedirectView.as_view(url=static("chat/icon.svg"))),
    # Daphne and uvicorn have no static files of their own; with DEBUG off this adds nothing,
    # and STATIC_ROOT is served by whatever stands in front.
    *staticfiles_urlpatterns(),
]
