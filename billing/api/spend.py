"""``/v1/organization/spend_limit`` and ``/spend_alerts``; amounts in cents, as OpenAI has them."""

from typing import Any
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.models import (
    MICROUSD_PER_CENT,
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    SpendAlert,
)
from billing.operations.budgets import archive_budget, set_budget
from billing.operations.spend_alerts import (
    change_spend_alert,
    create_spend_alert,
    remove_spend_alert,
)
from billing.queries.budgets import budgets_of
from billing.queries.spend_alerts import spend_alert_of, spend_alerts_page
from governance.api.authentication import actor_of, caller_of
from governance.api.fields import Text
from governance.api.organization.lists import (
    AFTER,
    LIMIT,
    Deleted,
    ListBody,
    list_body,
    page_of,
)
from governance.api.permissions import READ, WRITE, ScopeByMethod
from governance.kernel.errors import NotFound
from governance.kernel.money import LARGEST_AMOUNT, Microdollars

MOST_CENTS = LARGEST_AMOUNT // MICROUSD_PER_CENT


class LimitRequest(serializers.Serializer[Any]):
    """A hard limit a month."""

    currency = serializers.ChoiceField(("USD",))
    interval = serializers.ChoiceField(("month",))
    threshold_amount = serializers.IntegerField(
        min_value=0, max_value=MOST_CENTS, help_text="Cents."
    )


class Enforcement(serializers.Serializer[Any]):
    """Whether requests are refused now."""

    status = serializers.ChoiceField(("inactive", "enforcing"))


class LimitBody(LimitRequest):
    """The limit."""

    object = serializers.CharField(default="organization.spend_limit")
    enforcement = Enforcement()


class LimitDeleted(serializers.Serializer[Any]):
    """The limit is gone."""

    object = serializers.CharField()
    deleted = serializers.BooleanField()


class Channel(serializers.Serializer[Any]):
    """Who is told."""

    type = serializers.ChoiceField(("email",))
    recipients = serializers.ListField(
        child=serializers.EmailField(max_length=254), min_length=1, max_length=20
    )
    subject_prefix = Text(required=False, allow_null=True, allow_blank=True, max_length=100)


class AlertRequest(LimitRequest):
    """An alert: it tells and stops nothing."""

    threshold_amount = serializers.IntegerField(
        min_value=1, max_value=MOST_CENTS, help_text="Cents."
    )
    notification_channel = Channel()


class AlertBody(AlertRequest):
    """An alert."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.spend_alert")


class AlertList(ListBody):
    """Alerts by their id."""

    # Serializer has a property of this name; for a schema the field is what counts.
    data = AlertBody(many=True)  # type: ignore[assignment]


def present_limit(organization_id: UUID) -> tuple[Budget, bool]:
    """The organization's hard limit a month, and whether it is reached. Raises NotFound."""
    for line in budgets_of(organization_id, at=now()):
        rule = line.budget
        if (rule.scope, rule.period, rule.action) == (
            BudgetScope.ORGANIZATION,
            BudgetPeriod.MONTH,
            BudgetAction.LOCK,
        ):
            return rule, line.spent >= rule.limit_microusd
    raise NotFound("The organization has no spend limit.")


def limit_body(budget: Budget, *, reached: bool) -> dict[str, Any]:
    """The JSON of the limit, in whole cents rounded down; ``threshold_microusd`` is exact."""
    return {
        "object": "organization.spend_limit",
        "currency": "USD",
        "interval": "month",
        "threshold_amount": budget.limit_microusd // MICROUSD_PER_CENT,
        "threshold_microusd": budget.limit_microusd,
        "enforcement": {"status": "enforcing" if reached else "inactive"},
    }


def alert_body(alert: SpendAlert) -> dict[str, Any]:
    """The JSON of one alert."""
    return {
        "id": str(alert.id),
        "object": "organization.spend_alert",
        "currency": "USD",
        "interval": "month",
        "threshold_amount": alert.threshold_microusd // MICROUSD_PER_CENT,
        "notification_channel": {
            "type": "email",
            "recipients": alert.recipients,
            "subject_prefix": alert.subject_prefix or None,
        },
    }


class SpendLimit(ScopeByMethod, APIView):
    """The organization's hard limit a month."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_spend_limit", summary="The spend limit", responses={200: LimitBody}
    )
    def get(self, request: Request) -> Response:
        """404 where there is none."""
        budget, reached = present_limit(caller_of(request).organization_id)
        return Response(limit_body(budget, reached=reached))

    @extend_schema(
        operation_id="set_spend_limit",
        summary="Set the spend limit",
        request=LimitRequest,
        responses={200: LimitBody},
    )
    def post(self, request: Request) -> Response:
        """Requests that would go over it answer 429 project_spend_limit_exceeded."""
        form = LimitRequest(data=request.data)
        form.is_valid(raise_exception=True)
        organization_id = caller_of(request).organization_id
        set_budget(
            organization_id=organization_id,
            scope=BudgetScope.ORGANIZATION,
            subject_id=organization_id,
            period=BudgetPeriod.MONTH,
            action=BudgetAction.LOCK,
            limit=Microdollars(form.validated_data["threshold_amount"] * MICROUSD_PER_CENT),
            actor=actor_of(request),
            at=now(),
        )
        budget, reached = present_limit(organization_id)
        return Response(limit_body(budget, reached=reached))

    @extend_schema(
        operation_id="delete_spend_limit",
        summary="Remove the spend limit",
        responses={200: LimitDeleted},
    )
    def delete(self, request: Request) -> Response:
        """Other limits stay."""
        organization_id = caller_of(request).organization_id
        budget, _ = present_limit(organization_id)
        archive_budget(
            organization_id=organization_id,
            budget_id=budget.id,
            actor=actor_of(request),
            at=now(),
        )
        return Response({"object": "organization.spend_limit.deleted", "deleted": True})


def alert_fields(request: Request) -> dict[str, Any]:
    """What the operations take. Raises ValidationError."""
    form = AlertRequest(data=request.data)
    form.is_valid(raise_exception=True)
    channel = form.validated_data["notification_channel"]
    return {
        "threshold": Microdollars(form.validated_data["threshold_amount"] * MICROUSD_PER_CENT),
        "recipients": channel["recipients"],
        "subject_prefix": channel.get("subject_prefix") or "",
        "actor": actor_of(request),
    }


class SpendAlerts(ScopeByMethod, APIView):
    """The collection."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="list_spend_alerts",
        summary="List spend alerts",
        parameters=[LIMIT, AFTER],
        responses={200: AlertList},
    )
    def get(self, request: Request) -> Response:
        """Alerts by their id."""
        rows, more = spend_alerts_page(caller_of(request).organization_id, **page_of(request))
        return Response(list_body(rows, alert_body, more=more))

    @extend_schema(
        operation_id="create_spend_alert",
        summary="Make a spend alert",
        request=AlertRequest,
        responses={200: AlertBody},
    )
    def post(self, request: Request) -> Response:
        """A mail once a month, when the amount is passed."""
        alert = create_spend_alert(
            organization_id=caller_of(request).organization_id, at=now(), **alert_fields(request)
        )
        return Response(alert_body(alert))


class SpendAlertDetail(ScopeByMethod, APIView):
    """One alert."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_spend_alert", summary="Look at an alert", responses={200: AlertBody}
    )
    def get(self, request: Request, alert_id: UUID) -> Response:
        """The alert."""
        return Response(alert_body(spend_alert_of(caller_of(request).organization_id, alert_id)))

    @extend_schema(
        operation_id="change_spend_alert",
        summary="Change an alert",
        request=AlertRequest,
        responses={200: AlertBody},
    )
    def post(self, request: Request, alert_id: UUID) -> Response:
        """Replaces what it says."""
        alert = change_spend_alert(
            organization_id=caller_of(request).organization_id,
            alert_id=alert_id,
            **alert_fields(request),
        )
        return Response(alert_body(alert))

    @extend_schema(
        operation_id="delete_spend_alert", summary="Remove an alert", responses={200: Deleted}
    )
    def delete(self, request: Request, alert_id: UUID) -> Response:
        """It tells nobody any more."""
        remove_spend_alert(
            organization_id=caller_of(request).organization_id,
            alert_id=alert_id,
            actor=actor_of(request),
        )
        return Response(
            {"object": "organization.spend_alert.deleted", "id": str(alert_id), "deleted": True}
        )
