"""Automatic top-up: a saved card, a threshold, a ceiling a month; one at a time."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Sum

from billing.gateways.protocol import CardDeclined, Gateway, GatewayRefused, GatewayUnavailable
from billing.kernel.automatic import DECLINES_UNTIL_OFF, Situation, is_due, pause_after
from billing.models import (
    OPEN_TOP_UPS,
    Dispute,
    PaymentProfile,
    TopUp,
    TopUpState,
    TopUpTrigger,
)
from billing.operations.top_ups import (
    end_top_up,
    record_top_up,
    require_payable,
    settle_payment,
)
from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidRequest
from governance.kernel.money import Microdollars
from governance.operations import audit


@transaction.atomic
def set_automatic_top_up(
    *,
    organization_id: UUID,
    threshold: Microdollars,
    amount: Microdollars,
    monthly_ceiling: Microdollars,
    actor: Actor,
) -> PaymentProfile:
    """Switch automatic top-up on, or change it; forgets earlier declines. Raises InvalidRequest.

    Needs a saved card: the first checkout with "save this card" brings one.
    """
    require_payable(amount)
    if threshold <= 0 or monthly_ceiling < amount:
        raise InvalidRequest(
            "The threshold must be above zero and the month's ceiling at least one top-up.",
            param="threshold" if threshold <= 0 else "monthly_ceiling",
        )
    profile = locked_profile(organization_id)
    if not profile.payment_method:
        raise InvalidRequest("Save a card first: top up once with “save this card”.", param="card")
    profile.automatic, profile.switched_off_because = True, ""
    profile.threshold, profile.top_up_amount = threshold, amount
    profile.monthly_ceiling, profile.declines, profile.retry_after = monthly_ceiling, 0, None
    profile.save()
    record(profile, actor, "automatic_top_up.set", threshold_microusd=threshold)
    return profile


@transaction.atomic
def switch_off_automatic_top_up(*, organization_id: UUID, because: str, actor: Actor) -> None:
    """No card is charged without its owner any more. One that is in flight may still arrive."""
    profile = locked_profile(organization_id)
    profile.automatic, profile.switched_off_because = False, because[:200]
    profile.save(update_fields=["automatic", "switched_off_because"])
    record(profile, actor, "automatic_top_up.switched_off", because=because)


def locked_profile(organization_id: UUID) -> PaymentProfile:
    """The profile's row, locked until the commit."""
    PaymentProfile.objects.bulk_create(
        [PaymentProfile(organization_id=organization_id)], ignore_conflicts=True
    )
    return PaymentProfile.objects.select_for_update().get(organization_id=organization_id)


def record(profile: PaymentProfile, actor: Actor, act: str, **facts: object) -> None:
    """One audit entry about the organization's automatic top-up."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=profile.organization_id,
        subject_kind="payment_profile",
        subject_id=profile.organization_id,
        facts={
            "amount_microusd": profile.top_up_amount,
            "monthly_ceiling_microusd": profile.monthly_ceiling,
            **facts,
        },
    )


def situation_of(profile: PaymentProfile, at: datetime) -> Situation:
    """The figures that the decision needs, in µUSD; months are UTC."""
    automatic = TopUp.objects.filter(
        organization_id=profile.organization_id, trigger=TopUpTrigger.AUTOMATIC
    )
    month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    counted = automatic.filter(
        created_at__gte=month, state__in=[*OPEN_TOP_UPS, TopUpState.SUCCEEDED]
    )
    return Situation(
        switched_on=profile.automatic,
        threshold=profile.threshold,
        amount=profile.top_up_amount,
        monthly_ceiling=profile.monthly_ceiling,
        available=balance_of(profile.organization_id).available,
        in_flight=automatic.filter(state__in=OPEN_TOP_UPS).aggregate(s=Sum("amount"))["s"] or 0,
        charged_this_month=counted.aggregate(s=Sum("amount"))["s"] or 0,
        disputes_open=Dispute.objects.filter(
            organization_id=profile.organization_id, closed_at=None
        ).count(),
        retry_after=profile.retry_after,
    )


@transaction.atomic
def claim_automatic_top_up(*, organization_id: UUID, at: datetime) -> TopUp | None:
    """The row of a top-up that is due, or None. The database allows one in flight."""
    profile = locked_profile(organization_id)
    if not is_due(situation_of(profile, at), at):
        return None
    try:
        with transaction.atomic():
            return record_top_up(
                organization_id, profile.top_up_amount, TopUpTrigger.AUTOMATIC, SYSTEM, at
            )
    except IntegrityError:
        return None


def top_up_automatically(*, organization_id: UUID, gateway: Gateway, at: datetime) -> TopUp | None:
    """Charge the saved card if that is due now; None if not. Not inside a transaction.

    An unknown outcome leaves the row open, which blocks the next one, and the janitor asks.
    """
    top_up = claim_automatic_top_up(organization_id=organization_id, at=at)
    if top_up is None:
        return None
    profile = PaymentProfile.objects.get(organization_id=organization_id)
    try:
        payment = gateway.charge_saved_card(
            top_up_id=top_up.id,
            organization_id=organization_id,
            customer=profile.customer,
            payment_method=profile.payment_method,
            amount=top_up.amount,
        )
    except CardDeclined as decline:
        note_automatic_decline(top_up_id=top_up.id, failure=decline.code, at=at)
    except GatewayRefused as refusal:
        note_automatic_decline(top_up_id=top_up.id, failure=str(refusal), at=at)
    except GatewayUnavailable:
        pass
    else:
        settle_payment(payment=payment, actor=SYSTEM, at=at)
    top_up.refresh_from_db()
    return top_up


@transaction.atomic
def note_automatic_decline(*, top_up_id: UUID, failure: str, at: datetime) -> None:
    """End the top-up, wait before the next one, switch off after three declines in a row."""
    top_up = TopUp.objects.select_for_update().get(id=top_up_id)
    if top_up.state not in OPEN_TOP_UPS:
        return
    profile = locked_profile(top_up.organization_id)
    end_top_up(top_up, TopUpState.FAILED, failure, at)
    profile.declines += 1
    profile.retry_after = at + pause_after(profile.declines)
    if profile.declines >= DECLINES_UNTIL_OFF:
        profile.automatic = False
        profile.switched_off_because = f"the card was declined {profile.declines} times: {failure}"
    profile.save(update_fields=["declines", "retry_after", "automatic", "switched_off_because"])
    record(
        profile,
        SYSTEM,
        "automatic_top_up.declined" if profile.automatic else "automatic_top_up.switched_off",
        failure=failure,
        declines=profile.declines,
    )


def organizations_below_threshold(at: datetime) -> list[UUID]:
    """Organizations whose automatic top-up is due; the claim decides again under a lock."""
    profiles = PaymentProfile.objects.filter(automatic=True)
    return [
        profile.organization_id
        for profile in profiles.iterator()
        if is_due(situation_of(profile, at), at)
    ]
