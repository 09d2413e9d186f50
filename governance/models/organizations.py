"""The tenant: an organization, its people with their roles, its projects."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import group_changed


class ControlGroup(models.Model):
    """Organizations under common ownership or control: revenue and seats count together."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "governance_control_group"

    def __str__(self) -> str:
        return self.name


class Organization(models.Model):
    """A customer of the host. Everything that a tenant owns carries its id."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.SlugField(unique=True, max_length=64)
    name = models.CharField(max_length=200)
    group = models.ForeignKey(
        ControlGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="organizations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # When it joined its group: statements signed before do not speak for the group.
    joined_group_at = models.DateTimeField(null=True, blank=True)
    # What it asked for that only an enterprise contract unlocks: sso, sla, dpa.
    needs = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    # Whether the end users that it names in API requests hold seats.
    counts_end_users = models.BooleanField(default=False)
    # Counts changes of facts that its standing depends on: see ``governance.models.epochs``.
    facts_epoch = models.BigIntegerField(default=0)

    class Meta:
        db_table = "governance_organization"
        triggers = [group_changed]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; the table of permissions is in ``governance.queries.permissions``."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    BILLING = "billing"
    AUDITOR = "auditor"


class Membership(models.Model):
    """A person in an organization: one seat, once accepted. Service accounts have keys, no seats."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    source = models.CharField(max_length=16, default="portal")
    created_at = models.DateTimeField(auto_now_add=True)
    last_active_at = models.DateTimeField(null=True)
    deactivated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_membership"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"], name="membership_once_per_person"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_known"
            ),
        ]


class Project(models.Model):
    """A part of an organization that keys, budgets and usage are counted by."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="projects"
    )
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_project"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="project_name_once_per_organization"
            )
        ]

    def __str__(self) -> str:
        return self.name
