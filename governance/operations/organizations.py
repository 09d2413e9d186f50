"""Creating organizations, projects and memberships."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.models import Membership, Organization, Project, Role, User
from governance.operations import audit
from governance.operations.seats import claim_seat


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
    *,
    organization_id: UUID,
    user: User,
    role: Role,
    actor: Actor,
    at: datetime,
    source: str = "portal",
) -> Membership:
    """Make ``user`` a member and give them a seat; a member who had left comes back.

    Asked again for the same person, the first membership is returned. Raises SeatLimitReached.
    """
    organization = Organization.objects.get(id=organization_id)
    claim_seat(
        organization=organization,
        person=f"user:{user.id}",
        user_id=user.id,
        source=source,
        actor=actor,
        at=at,
    )
    membership, created = Membership.objects.get_or_create(
        organization_id=organization_id,
        user=user,
        defaults={"role": role, "source": source, "last_active_at": at},
    )
    if created or membership.deactivated_at is not None:
        if not created:
            membership.deactivated_at, membership.role = None, role
            membership.save(update_fields=["deactivated_at", "role"])
        audit.record(
            act="member.added",
            actor=actor,
            organization_id=organization_id,
            subject_kind="person",
            subject_id=user.id,
            facts={"role": role, "source": source},
        )
    return membership
