"""The tenant and what governs it."""

from governance.models.api_keys import ApiKey
from governance.models.audit import AuditEntry
from governance.models.organizations import ControlGroup, Membership, Organization, Project, Role
from governance.models.people import LoginLink, User
from governance.models.releases import ModelRelease, ReleaseStatus

__all__ = [
    "ApiKey",
    "AuditEntry",
    "ControlGroup",
    "LoginLink",
    "Membership",
    "ModelRelease",
    "Organization",
    "Project",
    "ReleaseStatus",
    "Role",
    "User",
]
