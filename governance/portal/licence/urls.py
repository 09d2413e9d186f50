"""Addresses of the licence pages."""

from django.urls import path

from governance.portal.licence import attestation, compliance, invitations, organization, seats

urlpatterns = [
    path("o/<slug:slug>/licence/", organization.licence, name="licence"),
    path("o/<slug:slug>/licence/attestation/", attestation.accept, name="attestation"),
    path("o/<slug:slug>/licence/attestation/revenue/", attestation.revenue,
         name="attestation-revenue"),
    path("o/<slug:slug>/licence/attestation/sign/", attestation.sign, name="attestation-sign"),
    path("o/<slug:slug>/licence/attestation/<uuid:id>/", attestation.receipt,
         name="attestation-receipt"),
    path("o/<slug:slug>/seats/", seats.seats, name="seats"),
    path("o/<slug:slug>/seats/invite/", seats.invite, name="seats-invite"),
    path("o/<slug:slug>/seats/reclaim/", seats.reclaim, name="seats-reclaim"),
    path("o/<slug:slug>/seats/invitations/<uuid:id>/withdraw/", seats.withdraw,
         name="seats-withdraw"),
    path("o/<slug:slug>/seats.csv", seats.export, name="seats-csv"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("operator/compliance/", compliance.compliance, name="compliance"),
    path("operator/compliance/stop/", compliance.stop, name="kill-switch-stop"),
    path("operator/compliance/resume/", compliance.resume, name="kill-switch-resume"),
    path("operator/releases/", compliance.releases, name="releases"),
    path("operator/releases/deny/", compliance.deny, name="release-deny"),
    path("operator/releases/<uuid:id>/revoke/", compliance.revoke, name="release-revoke"),
    path("operator/releases/<uuid:id>/destruction/", compliance.destroy, name="release-destroy"),
]  # fmt: skip
