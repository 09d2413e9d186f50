"""Addresses of the portal that belong to no single organization."""

from django.urls import path

from governance.portal import (
    audit,
    inbox,
    key_detail,
    keys,
    reports,
    search,
    step_up,
    styleguide,
    views,
    webhooks,
)

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
    path("o/<slug:slug>/keys/<uuid:key_id>/", key_detail.key_detail, name="key"),
    path("o/<slug:slug>/keys/<uuid:key_id>/limits/", key_detail.limit_key, name="key-limits"),
    path("o/<slug:slug>/keys/<uuid:key_id>/rotate/", key_detail.rotate_key, name="key-rotate"),
    path(
        "o/<slug:slug>/keys/<uuid:key_id>/end-grace/",
        key_detail.stop_old_secrets,
        name="key-end-grace",
    ),
    path("o/<slug:slug>/keys/<uuid:key_id>/revoke/", keys.revoke_key, name="key-revoke"),
    path("o/<slug:slug>/webhooks/", webhooks.webhooks, name="webhooks"),
    path("o/<slug:slug>/webhooks/new/", webhooks.new_webhook, name="webhook-new"),
    path("o/<slug:slug>/webhooks/<uuid:endpoint_id>/", webhooks.webhook, name="webhook"),
    path(
        "o/<slug:slug>/webhooks/<uuid:endpoint_id>/secret/",
        webhooks.rotate_secret,
        name="webhook-secret",
    ),
    path(
        "o/<slug:slug>/webhooks/<uuid:endpoint_id>/<slug:act>/",
        webhooks.act_on_webhook,
        name="webhook-act",
    ),
    path(
        "o/<slug:slug>/webhook-deliveries/<uuid:delivery_id>/replay/",
        webhooks.replay,
        name="webhook-replay",
    ),
    path("o/<slug:slug>/reports/", reports.reports, name="reports"),
    path("o/<slug:slug>/reports/new/", reports.ask, name="report-request"),
    path("o/<slug:slug>/reports/schedule/", reports.schedule, name="report-schedule"),
    path("o/<slug:slug>/reports/links/", reports.new_link, name="auditor-link-new"),
    path(
        "o/<slug:slug>/reports/links/<uuid:link_id>/end/", reports.end_link, name="auditor-link-end"
    ),
    path("o/<slug:slug>/reports/<uuid:report_id>/", reports.progress, name="report-progress"),
    path("o/<slug:slug>/reports/<uuid:report_id>.zip", reports.download, name="report-bundle"),
    path("operator/reports/", reports.everywhere, name="operator-reports"),
    path("operator/reports/new/", reports.ask_everywhere, name="operator-report-request"),
    path(
        "operator/reports/schedule/", reports.schedule_everywhere, name="operator-report-schedule"
    ),
    path("operator/reports/erase/", reports.erase, name="operator-erase"),
    path(
        "operator/reports/<uuid:report_id>/",
        reports.progress_everywhere,
        name="operator-report-progress",
    ),
    path(
        "operator/reports/<uuid:report_id>.zip",
        reports.download_everywhere,
        name="operator-report-bundle",
    ),
    path("auditor/<str:token>/", reports.for_auditor, name="auditor"),
    path(
        "auditor/<str:token>/<uuid:report_id>.zip",
        reports.for_auditor_bundle,
        name="auditor-bundle",
    ),
    path("confirm/", step_up.send_confirmation, name="confirm-by-mail"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<uuid:mail_id>/", inbox.inbox, name="inbox-letter"),
    path("inbox/<uuid:mail_id>/body/", inbox.letter_body, name="inbox-body"),
    path("search/", search.search, name="search"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
