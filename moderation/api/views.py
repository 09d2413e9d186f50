"""A tenant's own decisions, appeals against them, and reports of delivered images."""

from typing import Any
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.kernel.errors import NotFound
from governance.operations.api_keys import Caller
from moderation.api.serializers import AppealRequest, DecisionList, DecisionReply, ReportRequest
from moderation.models import Appeal, Decision
from moderation.operations.appeals import file_appeal, report_image
from moderation.queries.decisions import decision_of, withheld_decisions

CREATED = 201


class Decisions(APIView):
    """``GET /v1/moderation/decisions``: what was withheld, newest first."""

    scope = "images:read"

    @extend_schema(operation_id="list_decisions", responses=DecisionList)
    def get(self, request: Request) -> Response:
        """At most fifty."""
        found = withheld_decisions(_caller(request).organization_id)
        return Response({"data": [_reply(each) for each in found]})


class OneDecision(APIView):
    """``GET /v1/moderation/decisions/{id}``."""

    scope = "images:read"

    @extend_schema(responses=DecisionReply)
    def get(self, request: Request, decision_id: UUID) -> Response:
        """The decision. Raises NotFound for another tenant's."""
        return Response(_reply(_own(request, decision_id)))


class Appeals(APIView):
    """``POST /v1/moderation/decisions/{id}/appeal``."""

    scope = "images:write"

    @extend_schema(request=AppealRequest, responses={CREATED: DecisionReply})
    def post(self, request: Request, decision_id: UUID) -> Response:
        """File an appeal; filed twice, the first one stands."""
        body = AppealRequest(data=request.data)
        body.is_valid(raise_exception=True)
        file_appeal(
            decision_id=decision_id,
            organization_id=_caller(request).organization_id,
            statement=body.validated_data["statement"],
            actor=actor_of(request),
            at=now(),
        )
        return Response(_reply(_own(request, decision_id)), status=CREATED)


class Reports(APIView):
    """``POST /v1/moderation/reports``."""

    scope = "images:write"

    @extend_schema(request=ReportRequest, responses={CREATED: None})
    def post(self, request: Request) -> Response:
        """Report a delivered image: a person looks at it; item 2 is removed within 48 hours."""
        body = ReportRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        report = report_image(
            job_id=given["generation"],
            index=given["index"],
            sha256=given["sha256"],
            organization_id=_caller(request).organization_id,
            item=given["item"],
            statement=given["statement"],
            contact=given["contact"],
            actor=actor_of(request),
            at=now(),
        )
        return Response({"id": str(report.id), "state": "open"}, status=CREATED)


def _caller(request: Request) -> Caller:
    caller: Caller = request.user  # type: ignore[assignment]
    return caller


def _own(request: Request, decision_id: UUID) -> Decision:
    found = decision_of(decision_id, organization_id=_caller(request).organization_id)
    if found is None:
        raise NotFound("There is no such decision.")
    return found


def _reply(decision: Decision) -> dict[str, Any]:
    appeal = Appeal.objects.filter(decision=decision).first()
    return {
        "id": str(decision.id),
        "generation": str(decision.job_id),
        "stage": decision.stage,
        "outcome": decision.outcome,
        "item": decision.item,
        "reason": decision.reason,
        "policy": decision.policy_version,
        "at": decision.at,
        "appeal": appeal.state if appeal else None,
    }
