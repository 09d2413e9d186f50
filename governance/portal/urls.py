"""Addresses of the portal that belong to no single organization."""

from django.urls import path

from governance.portal import search, styleguide, views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.sign_in, name="sign-in"),
    path("login/<str:token>/", views.login_link, name="login-link"),
    path("logout/", views.sign_out, name="logout"),
    path("operator/", views.operator, name="operator"),
    path("search/", search.search, name="search"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
