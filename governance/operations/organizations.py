"""Creating organizations, projects and memberships."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.models import Membership, Organization, Project, Role, User
from governance.operations import audit


@transaction.atomic
def create_organization(*, slug: str, name: str, actor: Actor) -> Organization:
    """A new tenant with its default project."""
    organization = Organization.objects.create(slug=slug, name=name)
    Project.objects.create(organization=organization, name="Default")
    audit.record(
        act="organization.created",
        actor=actor,
        organization_id=organization.id,
        subject_kind="organization",
        subject_id=organization.id,
        facts={"slug": slug},
    )
    return organization


@transaction.atomic
def add_member(
    *, organization_id: UUID, user: User, role: Role, actor: Actor, at: datetime
) -> Membership:
    """Make ``user`` a member. Asked again for the same person, the first membership is returned."""
    membership, created = Membership.objects.get_or_create(
        organization_id=organization_id,
        user=user,
        defaults={"role": role, "last_active_at": at},
    )
    if created:
        audit.record(
            act="member.added",
            actor=actor,
            organization_id=organization_id,
            subject_kind="person",
            subject_id=user.id,
            facts={"role": role},
        )
    return membership
