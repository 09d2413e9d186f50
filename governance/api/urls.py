"""Addresses of the governance API."""

from django.urls import include, path, re_path

from governance.api import audit, documents, health, webhooks
from governance.api.leaks import Leaks
from governance.api.licence import LicenceView
from governance.api.scim.views import scim

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("v1/organization/licence", LicenceView.as_view(), name="organization-licence"),
    path("v1/organization/", include("governance.api.organization.urls")),
    path("v1/webhooks", webhooks.Webhooks.as_view(), name="api-webhooks"),
    path("v1/webhooks/<uuid:endpoint_id>", webhooks.Webhook.as_view(), name="api-webhook"),
    path(
        "v1/webhooks/<uuid:endpoint_id>/rotate",
        webhooks.WebhookSecretRotation.as_view(),
        name="api-webhook-rotate",
    ),
    path(
        "v1/webhooks/<uuid:endpoint_id>/test",
        webhooks.WebhookTest.as_view(),
        name="api-webhook-test",
    ),
    path(
        "v1/webhooks/<uuid:endpoint_id>/deliveries",
        webhooks.WebhookDeliveries.as_view(),
        name="api-webhook-deliveries",
    ),
    path(
        "v1/webhook-deliveries/<uuid:delivery_id>/replay",
        webhooks.WebhookReplay.as_view(),
        name="api-webhook-replay",
    ),
    path("v1/leaks", Leaks.as_view(), name="leaks"),
    path("v1/audit/key", audit.verifier_key, name="audit-verifier-key"),
    path("v1/audit/checkpoint", audit.CheckpointView.as_view(), name="audit-checkpoint"),
    path(
        "v1/audit/checkpoints/<int:size>",
        audit.CheckpointView.as_view(),
        name="audit-checkpoint-of",
    ),
    path("v1/audit/consistency", audit.ConsistencyView.as_view(), name="audit-consistency"),
    path(
        "v1/audit/entries/<uuid:entry>/proof", audit.InclusionView.as_view(), name="audit-inclusion"
    ),
    path("LICENSE", documents.current_document, {"kind": "licence"}),
    path("LICENSE-MODEL", documents.current_document, {"kind": "licence"}, name="licence-text"),
    path("NOTICE", documents.current_document, {"kind": "notice"}, name="notice-text"),
    path("policy", documents.current_document, {"kind": "policy"}, name="policy-text"),
    re_path(r"^scim/v2(?:/(?P<path>.*))?$", scim, name="scim"),
    path("terms/<str:label>/<str:kind>", documents.document_of_version, name="terms-text"),
]
