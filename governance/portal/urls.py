"""Addresses of the portal that belong to no single organization."""

from django.urls import path

from governance.portal import audit, keys, search, styleguide, views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.sign_in, name="sign-in"),
    path("login/<str:token>/", views.login_link, name="login-link"),
    path("logout/", views.sign_out, name="logout"),
    path("operator/", views.operator, name="operator"),
    path("operator/audit/", audit.everywhere, name="operator-audit"),
    path("operator/audit.csv", audit.everywhere_csv, name="operator-audit-csv"),
    path("o/<slug:slug>/audit/", audit.of_organization, name="audit"),
    path("o/<slug:slug>/audit.csv", audit.of_organization_csv, name="audit-csv"),
    path("o/<slug:slug>/keys/", keys.keys, name="keys"),
    path("o/<slug:slug>/keys/new/", keys.new_key, name="key-new"),
    path("o/<slug:slug>/keys/<uuid:key_id>/revoke/", keys.revoke_key, name="key-revoke"),
    path("search/", search.search, name="search"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
