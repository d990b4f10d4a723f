"""The shopping list's addresses."""

from django.urls import path

from . import views

urlpatterns = [path("token/", views.token), path("lists/<int:pk>/add/", views.add)]
