"""Addresses of moderation's pages."""

from django.urls import include, path

from moderation.portal import filters, public_report, review, tenant, verify

urlpatterns = [
    path("", include("moderation.api.urls")),
    path("verify", verify.verify_page, name="verify"),
    path("report", public_report.public_report, name="public-report"),
    path("report/state", public_report.find_report, name="public-report-find"),
    path("report/<str:number>/", public_report.report_state, name="public-report-state"),
    path("moderation/provenance/", verify.provenance, name="moderation-provenance"),
    path("moderation/provenance/waivers/", verify.waiver_new, name="moderation-waiver-new"),
    path(
        "moderation/provenance/waivers/<uuid:waiver_id>/",
        verify.waiver_act,
        name="moderation-waiver",
    ),
    path("moderation/queue/", review.queue, name="moderation-queue"),
    path("moderation/queue/next/", review.next_case, name="moderation-next"),
    path("moderation/cases/<uuid:case_id>/", review.case_page, name="moderation-case"),
    path("moderation/cases/<uuid:case_id>/reveal/", review.reveal, name="moderation-reveal"),
    path("moderation/cases/<uuid:case_id>/judge/", review.judge, name="moderation-judge"),
    path("moderation/cases/<uuid:case_id>/return/", review.give_back, name="moderation-return"),
    path("moderation/cases/<uuid:case_id>/draft/", review.report_draft, name="moderation-draft"),
    path("moderation/reports/", review.reports, name="moderation-reports"),
    path("moderation/removals/<uuid:removal_id>/", review.remove, name="moderation-remove"),
    path(
        "moderation/removals/<uuid:removal_id>/reject/",
        review.reject,
        name="moderation-removal-reject",
    ),
    path("moderation/health/", filters.health, name="moderation-health"),
    path("moderation/policies/", filters.policies, name="moderation-policies"),
    path("moderation/policies/new/", filters.policy_editor, name="moderation-policy-editor"),
    path("moderation/policies/<str:policy_hash>/", filters.policy_page, name="moderation-policy"),
    path(
        "moderation/policies/<str:policy_hash>/act/",
        filters.policy_act,
        name="moderation-policy-act",
    ),
    path(
        "moderation/proposals/<uuid:proposal_id>/",
        filters.proposal_answer,
        name="moderation-answer",
    ),
    path(
        "moderation/decisions/<uuid:decision_id>/appeal",
        tenant.appeal_address,
        name="moderation-appeal-address",
    ),
    path(
        "o/<slug:slug>/generations/<uuid:job_id>/<int:index>/report/",
        tenant.report,
        name="moderation-report",
    ),
    path("o/<slug:slug>/decisions/", tenant.decisions, name="moderation-decisions"),
    path(
        "o/<slug:slug>/decisions/<uuid:decision_id>/",
        tenant.decision_page,
        name="moderation-decision",
    ),
    path(
        "o/<slug:slug>/decisions/<uuid:decision_id>/appeal/",
        tenant.appeal,
        name="moderation-appeal",
    ),
]
