"""The acceptable-use gate's records."""

from moderation.models.appeals import Appeal, Concern, PublicReport, Removal, UserReport
from moderation.models.banks import HashEntry
from moderation.models.cases import (
    CaseKind,
    CaseState,
    Finding,
    Judgement,
    ReviewCase,
    Reviewer,
    ReviewerRole,
)
from moderation.models.decisions import Decision, VerdictRow
from moderation.models.evidence import Evidence, PreservationHold, RetentionClass, VaultKey
from moderation.models.policies import (
    ActivationProposal,
    Policy,
    PolicyActivation,
    PolicyMeasure,
    ShadowDecision,
)
from moderation.models.provenance import ProvenanceWaiver, ReleasedMark
from moderation.models.strikes import AbuseNote, Overturn, Strike

__all__ = [
    "AbuseNote",
    "ActivationProposal",
    "Appeal",
    "CaseKind",
    "CaseState",
    "Concern",
    "Decision",
    "Evidence",
    "Finding",
    "HashEntry",
    "Judgement",
    "Overturn",
    "Policy",
    "PolicyActivation",
    "PolicyMeasure",
    "PreservationHold",
    "ProvenanceWaiver",
    "PublicReport",
    "ReleasedMark",
    "Removal",
    "RetentionClass",
    "ReviewCase",
    "Reviewer",
    "ReviewerRole",
    "ShadowDecision",
    "Strike",
    "UserReport",
    "VaultKey",
    "VerdictRow",
]
