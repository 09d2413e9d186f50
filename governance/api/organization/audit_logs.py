"""The audit log as OpenAI's admin client reads it."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import caller_of
from governance.api.organization.lists import (
    AFTER,
    LIMIT,
    ListBody,
    list_body,
    page_of,
    uuid_in,
    whole_number_in,
    words_in,
)
from governance.api.permissions import READ
from governance.models import AuditEntry
from governance.queries.audit_log import LogFilter, audit_log

WORDS = {"type": "array", "items": {"type": "string"}}
# The year 9999.
LATEST = 253_402_300_799


class AuditBody(serializers.Serializer[Any]):
    """One governed act; its facts stand under its type."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.audit_log")
    type = serializers.CharField()
    effective_at = serializers.IntegerField()
    actor = serializers.DictField()
    subject = serializers.DictField()
    request_id = serializers.CharField()


class AuditList(ListBody):
    """Entries, newest first."""

    # Serializer has a property of this name; for a schema the field is what counts.
    data = AuditBody(many=True)  # type: ignore[assignment]


def entry_body(entry: AuditEntry) -> dict[str, Any]:
    """The JSON of one entry. People come as sessions, keys as keys, the system as neither."""
    actor: dict[str, Any] = {"type": entry.actor_kind, "label": entry.actor_label}
    if entry.actor_kind == "user":
        person = {"id": entry.actor_id, "email": entry.actor_label}
        actor = {"type": "session", "session": {"user": person, "ip_address": entry.ip}}
    elif entry.actor_kind == "api_key":
        actor = {"type": "api_key", "api_key": {"id": entry.actor_id, "type": "service_account"}}
    return {
        "id": str(entry.id),
        "object": "organization.audit_log",
        "type": entry.act,
        "effective_at": int(entry.at.timestamp()),
        "actor": actor,
        "subject": {"kind": entry.subject_kind, "id": entry.subject_id},
        entry.act: {"id": entry.subject_id, "data": entry.facts},
        "request_id": entry.request_id,
    }


class AuditLogs(APIView):
    """GET /v1/organization/audit_logs."""

    scope: ClassVar[str] = READ

    @extend_schema(
        operation_id="list_audit_logs",
        summary="The audit log, newest first",
        parameters=[
            LIMIT,
            AFTER,
            OpenApiParameter("before", str, description="first_id of a page: what is newer."),
            OpenApiParameter("event_types[]", WORDS),
            OpenApiParameter("actor_ids[]", WORDS),
            OpenApiParameter("actor_emails[]", WORDS),
            OpenApiParameter("resource_ids[]", WORDS),
            *(
                OpenApiParameter(f"effective_at[{bound}]", int)
                for bound in ("gt", "gte", "lt", "lte")
            ),
        ],
        responses={200: AuditList},
    )
    def get(self, request: Request) -> Response:
        """Append-only; entries outlive what they tell of."""
        bounds = {
            bound: whole_number_in(request, f"effective_at[{bound}]", largest=LATEST)
            for bound in ("gt", "gte", "lt", "lte")
        }
        wanted = LogFilter(
            acts=tuple(words_in(request, "event_types")),
            actor_ids=tuple(words_in(request, "actor_ids")),
            actor_labels=tuple(words_in(request, "actor_emails")),
            subject_ids=tuple(words_in(request, "resource_ids")),
            bounds={
                bound: datetime.fromtimestamp(moment, UTC)
                for bound, moment in bounds.items()
                if moment is not None
            },
        )
        page = audit_log(
            caller_of(request).organization_id,
            wanted,
            before=uuid_in(request, "before"),
            **page_of(request),
        )
        return Response(list_body(page.rows, entry_body, more=page.has_more))
