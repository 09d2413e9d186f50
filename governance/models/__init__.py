"""The tenant and what governs it."""

from governance.models.acceptances import Acceptance
from governance.models.api_keys import ApiKey, KeyUse, RetiringSecret
from governance.models.attestations import Attestation, AttestationReminder
from governance.models.audit import (
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditNode,
    AuditPending,
    AuditStamp,
)
from governance.models.contracts import (
    ENTERPRISE_FEATURES,
    Breach,
    EnterpriseContract,
    KillSwitch,
    TerminationNotice,
)
from governance.models.directory import DirectoryResource, DirectoryToken, IdentityProvider
from governance.models.mail import OutgoingMail
from governance.models.organizations import ControlGroup, Membership, Organization, Project, Role
from governance.models.people import LoginLink, User
from governance.models.releases import (
    DeniedFile,
    Destruction,
    ModelRelease,
    ReleaseFile,
    ReleaseStatus,
)
from governance.models.reports import (
    AuditorLink,
    ComplianceReport,
    ReportSchedule,
    ReportState,
)
from governance.models.seats import Invitation, Seat, SeatPool, SeatSnapshot
from governance.models.standing import OrganizationStanding, StandingChange
from governance.models.terms import DocumentKind, TermsDocument, TermsVersion
from governance.models.webhooks import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookSecret,
)

__all__ = [
    "ENTERPRISE_FEATURES",
    "Acceptance",
    "ApiKey",
    "Attestation",
    "AttestationReminder",
    "AuditCheckpoint",
    "AuditEntry",
    "AuditLeaf",
    "AuditNode",
    "AuditPending",
    "AuditStamp",
    "AuditorLink",
    "Breach",
    "ComplianceReport",
    "ControlGroup",
    "DeliveryState",
    "DeniedFile",
    "Destruction",
    "DirectoryResource",
    "DirectoryToken",
    "DocumentKind",
    "EnterpriseContract",
    "IdentityProvider",
    "Invitation",
    "KeyUse",
    "KillSwitch",
    "LoginLink",
    "Membership",
    "ModelRelease",
    "Organization",
    "OrganizationStanding",
    "OutgoingMail",
    "Project",
    "ReleaseFile",
    "ReleaseStatus",
    "ReportSchedule",
    "ReportState",
    "RetiringSecret",
    "Role",
    "Seat",
    "SeatPool",
    "SeatSnapshot",
    "StandingChange",
    "TerminationNotice",
    "TermsDocument",
    "TermsVersion",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookSecret",
]
