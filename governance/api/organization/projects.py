"""Projects and their API keys."""

from typing import Any
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of, caller_of
from governance.api.fields import Text, flag
from governance.api.organization.lists import (
    AFTER,
    LIMIT,
    Deleted,
    ListBody,
    list_body,
    page_of,
    seconds,
)
from governance.api.permissions import READ, WRITE, ScopeByMethod
from governance.models import ApiKey
from governance.models import Project as ProjectRow
from governance.operations.api_keys import revoke_api_key
from governance.operations.projects import archive_project, create_project, rename_project
from governance.queries.directory import (
    project_key_of,
    project_keys_page,
    project_of,
    projects_page,
)

ARCHIVED = OpenApiParameter("include_archived", bool, description="Archived ones as well.")


class ProjectRequest(serializers.Serializer[Any]):
    """A name."""

    name = Text(max_length=100)


class ProjectBody(serializers.Serializer[Any]):
    """A project."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.project")
    name = serializers.CharField()
    created_at = serializers.IntegerField()
    archived_at = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(("active", "archived"))


class ProjectList(ListBody):
    """Projects by their id."""

    # Serializer has a property of this name; for a schema the field is what counts.
    data = ProjectBody(many=True)  # type: ignore[assignment]


class KeyBody(serializers.Serializer[Any]):
    """A key, never its secret."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.project.api_key")
    name = serializers.CharField()
    redacted_value = serializers.CharField()
    created_at = serializers.IntegerField()
    last_used_at = serializers.IntegerField(allow_null=True)
    expires_at = serializers.IntegerField(allow_null=True)
    owner = serializers.DictField()
    owner_project_access = serializers.CharField()
    mode = serializers.ChoiceField(("live", "test"))
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_networks = serializers.ListField(child=serializers.CharField())


class KeyList(ListBody):
    """Keys by their id."""

    # As above.
    data = KeyBody(many=True)  # type: ignore[assignment]


def project_body(project: ProjectRow) -> dict[str, Any]:
    """The JSON of one project."""
    return {
        "id": str(project.id),
        "object": "organization.project",
        "name": project.name,
        "created_at": seconds(project.created_at),
        "archived_at": seconds(project.archived_at),
        "status": "archived" if project.archived_at else "active",
    }


def key_body(key: ApiKey) -> dict[str, Any]:
    """The JSON of one key; a key that nobody made belongs to the service."""
    made_by = key.created_by
    owner: dict[str, Any] = {
        "type": "service_account",
        "service_account": {
            "id": "licet",
            "name": "Licet",
            "role": "member",
            "created_at": seconds(key.created_at),
        },
    }
    if made_by is not None:
        person = {
            "id": str(made_by.id),
            "name": made_by.name,
            "email": made_by.email,
            "role": "member",
            "created_at": seconds(made_by.created_at),
        }
        owner = {"type": "user", "user": person}
    return {
        "id": str(key.id),
        "object": "organization.project.api_key",
        "name": key.name,
        "redacted_value": key.prefix,
        "created_at": seconds(key.created_at),
        "last_used_at": seconds(key.last_used_at),
        "expires_at": seconds(key.expires_at),
        "owner": owner,
        "owner_project_access": "active",
        "mode": key.mode,
        "scopes": key.scopes,
        "allowed_networks": key.allowed_networks,
    }


class Projects(ScopeByMethod, APIView):
    """The collection."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="list_projects",
        summary="List projects",
        parameters=[LIMIT, AFTER, ARCHIVED],
        responses={200: ProjectList},
    )
    def get(self, request: Request) -> Response:
        """Active projects, archived ones where asked for."""
        page = projects_page(
            caller_of(request).organization_id,
            include_archived=flag("include_archived", request.query_params.get("include_archived")),
            **page_of(request),
        )
        return Response(list_body(page.rows, project_body, more=page.has_more))

    @extend_schema(
        operation_id="create_project",
        summary="Make a project",
        request=ProjectRequest,
        responses={200: ProjectBody},
    )
    def post(self, request: Request) -> Response:
        """Keys, budgets and usage are counted by project."""
        form = ProjectRequest(data=request.data)
        form.is_valid(raise_exception=True)
        project = create_project(
            organization_id=caller_of(request).organization_id,
            name=form.validated_data["name"],
            actor=actor_of(request),
        )
        return Response(project_body(project))


class Project(ScopeByMethod, APIView):
    """One project."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_project", summary="Look at a project", responses={200: ProjectBody}
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """The project, archived or not."""
        return Response(project_body(project_of(caller_of(request).organization_id, project_id)))

    @extend_schema(
        operation_id="rename_project",
        summary="Rename a project",
        request=ProjectRequest,
        responses={200: ProjectBody},
    )
    def post(self, request: Request, project_id: UUID) -> Response:
        """Another name; everything else stays."""
        form = ProjectRequest(data=request.data)
        form.is_valid(raise_exception=True)
        project = rename_project(
            organization_id=caller_of(request).organization_id,
            project_id=project_id,
            name=form.validated_data["name"],
            actor=actor_of(request),
        )
        return Response(project_body(project))


class ProjectArchive(APIView):
    """Archiving."""

    scope = WRITE

    @extend_schema(
        operation_id="archive_project",
        summary="Archive a project and revoke its keys",
        request=None,
        responses={200: ProjectBody},
    )
    def post(self, request: Request, project_id: UUID) -> Response:
        """Its usage stays; its keys answer 401."""
        project = archive_project(
            organization_id=caller_of(request).organization_id,
            project_id=project_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(project_body(project))


class ProjectKeys(APIView):
    """Keys of a project."""

    scope = READ

    @extend_schema(
        operation_id="list_project_api_keys",
        summary="List a project's keys",
        parameters=[LIMIT, AFTER],
        responses={200: KeyList},
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """Keys that were not revoked, without their secrets."""
        page = project_keys_page(caller_of(request).organization_id, project_id, **page_of(request))
        return Response(list_body(page.rows, key_body, more=page.has_more))


class ProjectKey(ScopeByMethod, APIView):
    """One key of a project."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_project_api_key", summary="Look at a key", responses={200: KeyBody}
    )
    def get(self, request: Request, project_id: UUID, key_id: UUID) -> Response:
        """The key, without its secret."""
        found = project_key_of(caller_of(request).organization_id, project_id, key_id)
        return Response(key_body(found))

    @extend_schema(
        operation_id="delete_project_api_key", summary="Revoke a key", responses={200: Deleted}
    )
    def delete(self, request: Request, project_id: UUID, key_id: UUID) -> Response:
        """It answers 401 from now on."""
        organization_id = caller_of(request).organization_id
        project_key_of(organization_id, project_id, key_id)
        revoke_api_key(
            key_id=key_id, organization_id=organization_id, actor=actor_of(request), at=now()
        )
        return Response(
            {
                "object": "organization.project.api_key.deleted",
                "id": str(key_id),
                "deleted": True,
            }
        )
