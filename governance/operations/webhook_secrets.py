"""Signing secrets of webhooks: sealed at rest, rotated with an overlap in which both sign."""

import base64
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from standardwebhooks import Webhook

from governance.kernel.actors import Actor
from governance.kernel.sealing import seal, unseal
from governance.models import WebhookEndpoint, WebhookSecret
from governance.operations import audit

PURPOSE = "webhook secrets"
SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *(str(key) for key in settings.SECRET_KEY_FALLBACKS)]


def add_secret(endpoint: WebhookEndpoint, *, at: datetime) -> str:
    """A new secret ``whsec_…`` for the endpoint; the caller shows it."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    sealed = seal(secret, keys=_keys(), purpose=PURPOSE)
    WebhookSecret.objects.create(endpoint=endpoint, sealed=sealed, created_at=at)
    return secret


def secrets_in_force(endpoint_id: UUID, *, at: datetime) -> list[str]:
    """The secrets that sign now, the newest first. Raises Unsealable when the server's key was lost."""
    rows = WebhookSecret.objects.filter(
        Q(retires_at=None) | Q(retires_at__gt=at), endpoint_id=endpoint_id
    )
    return [unseal(row.sealed, keys=_keys(), purpose=PURPOSE) for row in rows.order_by("-id")]


def signatures(message_id: str, at: datetime, body: str, secrets_: list[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature per secret, by spaces."""
    signed = " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets_)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }


@transaction.atomic
def rotate_webhook_secret(
    *, endpoint_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> str:
    """A new secret; the old ones sign beside it for a day. Not idempotent."""
    endpoint = WebhookEndpoint.objects.select_for_update().get(
        id=endpoint_id, organization_id=organization_id
    )
    ends = at + OVERLAP
    WebhookSecret.objects.filter(
        Q(retires_at=None) | Q(retires_at__gt=ends), endpoint=endpoint
    ).update(retires_at=ends)
    secret = add_secret(endpoint, at=at)
    audit.record(
        act="webhook.secret_rotated",
        actor=actor,
        organization_id=organization_id,
        subject_kind="webhook_endpoint",
        subject_id=endpoint.id,
        facts={"old_signs_until": ends.isoformat()},
    )
    return secret


@transaction.atomic
def signer_of_calls(*, organization_id: UUID, at: datetime) -> WebhookEndpoint:
    """The row that signs for addresses that single calls name, made with its secret at first use."""
    found = WebhookEndpoint.objects.filter(organization_id=organization_id, url="").first()
    if found is not None:
        return found
    endpoint, created = WebhookEndpoint.objects.get_or_create(
        organization_id=organization_id,
        url="",
        defaults={"created_at": at, "description": "Addresses that single calls name"},
    )
    if created:
        add_secret(endpoint, at=at)
    return endpoint
