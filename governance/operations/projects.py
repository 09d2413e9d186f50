"""Projects of an organization: what keys, budgets and usage are counted by."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.models import ApiKey, Project
from governance.operations import audit
from governance.operations.api_keys import revoke_api_key


class ProjectNameTaken(DomainError):
    """Another project of the organization has this name."""

    code = "project_name_taken"
    title = "The organization has a project of this name"
    status = 409


class LastProject(DomainError):
    """Work without a key belongs to the first project, so one always stays."""

    code = "last_project"
    title = "The last project cannot be archived"
    status = 409


@transaction.atomic
def create_project(*, organization_id: UUID, name: str, actor: Actor) -> Project:
    """A new project. Raises ProjectNameTaken."""
    project, created = Project.objects.get_or_create(organization_id=organization_id, name=name)
    if not created:
        raise ProjectNameTaken(f"There is a project {name!r} already.", param="name")
    _record("project.created", project, actor, {})
    return project


@transaction.atomic
def rename_project(*, organization_id: UUID, project_id: UUID, name: str, actor: Actor) -> Project:
    """Give a project another name. Raises NotFound, ProjectNameTaken."""
    project = _own(organization_id, project_id)
    if Project.objects.filter(organization_id=organization_id, name=name).exclude(id=project_id):
        raise ProjectNameTaken(f"There is a project {name!r} already.", param="name")
    before, project.name = project.name, name
    project.save(update_fields=["name"])
    _record("project.updated", project, actor, {"before": before})
    return project


@transaction.atomic
def archive_project(
    *, organization_id: UUID, project_id: UUID, actor: Actor, at: datetime
) -> Project:
    """Archive a project and revoke its keys. Archived again, the first time stands.

    Raises NotFound, LastProject.
    """
    project = _own(organization_id, project_id)
    if project.archived_at is not None:
        return project
    others = Project.objects.filter(organization_id=organization_id, archived_at=None)
    if not others.exclude(id=project_id).exists():
        raise LastProject("Make another project first: one always stays.")
    project.archived_at = at
    project.save(update_fields=["archived_at"])
    keys = ApiKey.objects.filter(project=project, revoked_at=None).values_list("id", flat=True)
    for key_id in sorted(keys):
        revoke_api_key(
            key_id=key_id, organization_id=organization_id, actor=actor, at=at, reason="archived"
        )
    _record("project.archived", project, actor, {"keys_revoked": len(keys)})
    return project


def _own(organization_id: UUID, project_id: UUID) -> Project:
    found = (
        Project.objects.select_for_update()
        .filter(organization_id=organization_id, id=project_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such project.")
    return found


def _record(act: str, project: Project, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=project.organization_id,
        subject_kind="project",
        subject_id=project.id,
        facts={"name": project.name, **facts},
    )
