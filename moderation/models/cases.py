"""People behind the gate: cases in a leased queue, and the judgements on them."""

from uuid import UUID

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7
from moderation.models.decisions import Decision, append_only


class CaseKind(models.TextChoices):
    """Why a person is asked."""

    HELD = "held"
    APPEAL = "appeal"
    REPORT = "report"
    CHILD_SAFETY = "child_safety"
    SECOND_LOOK = "second_look"
    ESCALATED = "escalated"


class CaseState(models.TextChoices):
    """A case is open until enough people have judged it."""

    OPEN = "open"
    DECIDED = "decided"


class Finding(models.TextChoices):
    """What a reviewer may find: the refusal or report is right, it is wrong, or somebody senior
    must say."""

    UPHOLD = "uphold"
    OVERTURN = "overturn"
    ESCALATE = "escalate"


class ReviewerRole(models.TextChoices):
    """Who may take which cases."""

    REVIEWER = "reviewer"
    SENIOR = "senior"
    CHILD_SAFETY = "child_safety"
    APPEALS = "appeals"
    AUDITOR = "auditor"


class Reviewer(models.Model):
    """One of the operator's people who reviews. ``daily_limit`` caps severe cases a day, for their
    own good; pictures are blurred and gray until they ask."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="moderation_reviewer",
    )
    roles = ArrayField(models.CharField(max_length=16, choices=ReviewerRole), default=list)
    daily_limit = models.PositiveSmallIntegerField(default=60)
    blurred = models.BooleanField(default=True)
    active = models.BooleanField(default=True)

    class Meta:
        db_table = "moderation_reviewer"


class ReviewCase(models.Model):
    """One decision that a person must look at. The lease is on the row, so it has one holder.

    ``severity`` 1 to 100; ``judgements_needed`` is 2 where two people must agree.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="cases")
    kind = models.CharField(max_length=16, choices=CaseKind)
    item = models.CharField(max_length=16, blank=True)
    severity = models.PositiveSmallIntegerField()
    judgements_needed = models.PositiveSmallIntegerField(default=1)
    displayable = models.BooleanField(default=True)
    opened_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=CaseState, default=CaseState.OPEN)
    result = models.CharField(max_length=8, choices=Finding, blank=True)
    decided_at = models.DateTimeField(null=True)
    leased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    lease_until = models.DateTimeField(null=True)
    lease_epoch = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "moderation_review_case"
        indexes = [
            models.Index(
                fields=["-severity", "opened_at"], name="case_queue", condition=Q(state="open")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "kind"], name="case_once_per_decision_and_kind"
            ),
            models.UniqueConstraint(
                fields=["leased_by"], condition=Q(state="open"), name="case_one_lease_per_reviewer"
            ),
            models.CheckConstraint(
                condition=Q(leased_by__isnull=True, lease_until__isnull=True)
                | Q(leased_by__isnull=False, lease_until__isnull=False),
                name="case_lease_whole",
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True, result="")
                | (Q(state="decided", decided_at__isnull=False) & ~Q(result="")),
                name="case_decided_with_result",
            ),
            # Item 1 is never displayed, and two people decide.
            models.CheckConstraint(
                condition=~Q(item="1") | Q(displayable=False, judgements_needed__gte=2),
                name="case_item_one_two_people_never_displayed",
            ),
            models.CheckConstraint(condition=Q(kind__in=CaseKind.values), name="case_kind_known"),
        ]


# One person judges one decision once, whatever the kind of case: so a second look, an appeal and
# the second of two judgements are always somebody else's.
ANOTHER_PERSON = """
    IF EXISTS (
        SELECT 1 FROM moderation_judgement j
        JOIN moderation_review_case c ON c.id = j.case_id
        WHERE j.reviewer_id = NEW.reviewer_id
          AND c.decision_id = (SELECT decision_id FROM moderation_review_case WHERE id = NEW.case_id)
    ) THEN
        RAISE EXCEPTION 'this reviewer has judged this decision before'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""


class Judgement(models.Model):
    """What one reviewer found, with the clause and the reason: append-only."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(ReviewCase, on_delete=models.PROTECT, related_name="judgements")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    verdict = models.CharField(max_length=8, choices=Finding)
    item = models.CharField(max_length=16, blank=True)
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_judgement"
        constraints = [
            models.UniqueConstraint(fields=["case", "reviewer"], name="judgement_once_a_person"),
            models.CheckConstraint(condition=~Q(reason=""), name="judgement_has_a_reason"),
            models.CheckConstraint(
                condition=Q(verdict__in=Finding.values), name="judgement_verdict_known"
            ),
        ]
        triggers = [
            *append_only(),
            pgtrigger.Trigger(
                name="another_person",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=ANOTHER_PERSON,
            ),
        ]
