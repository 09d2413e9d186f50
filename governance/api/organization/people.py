"""Users and invites of the organization."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of, caller_of
from governance.api.organization.lists import (
    AFTER,
    LIMIT,
    Deleted,
    ListBody,
    list_body,
    page_of,
    seconds,
    words_in,
)
from governance.api.permissions import READ, WRITE, ScopeByMethod
from governance.kernel.errors import DomainError, InvalidRequest
from governance.models import Invitation, Membership, Role
from governance.operations.invitations import invite_member, withdraw_invitation
from governance.operations.members import change_role, remove_member
from governance.queries.directory import (
    invitation_of,
    invitations_page,
    member_of,
    members_page,
)

WORDS = {"type": "array", "items": {"type": "string"}}
# OpenAI knows owners and readers; our own words are taken as they are.
ROLES = {"reader": Role.MEMBER, **{str(role): role for role in Role}}


class RoleNotGrantable(DomainError):
    """Who owns the organization is decided by its owners in the portal, never by a key."""

    code = "role_not_grantable"
    title = "A key cannot make or change owners"
    status = 403


class UserBody(serializers.Serializer[Any]):
    """A member."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.user")
    name = serializers.CharField()
    email = serializers.CharField()
    role = serializers.CharField()
    added_at = serializers.IntegerField()
    created = serializers.IntegerField()
    is_scim_managed = serializers.BooleanField()
    is_service_account = serializers.BooleanField()
    api_key_last_used_at = serializers.IntegerField(allow_null=True)


class UserList(ListBody):
    """Members by their id."""

    # Serializer has a property of this name; for a schema the field is what counts.
    data = UserBody(many=True)  # type: ignore[assignment]


class RoleRequest(serializers.Serializer[Any]):
    """Another role."""

    role = serializers.ChoiceField(sorted(ROLES))


class InviteRequest(RoleRequest):
    """Who is invited."""

    email = serializers.EmailField(max_length=254)


class InviteBody(serializers.Serializer[Any]):
    """An invitation; ``role`` in OpenAI's two words, ``licet_role`` in ours."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="organization.invite")
    email = serializers.CharField()
    role = serializers.CharField()
    licet_role = serializers.CharField()
    status = serializers.CharField()
    created_at = serializers.IntegerField()
    expires_at = serializers.IntegerField()
    accepted_at = serializers.IntegerField(allow_null=True)
    projects = serializers.ListField(child=serializers.DictField())


class InviteList(ListBody):
    """Invitations by their id."""

    # As above.
    data = InviteBody(many=True)  # type: ignore[assignment]


def user_body(member: Membership) -> dict[str, Any]:
    """The JSON of one member; ``member`` comes from ``active_members``."""
    return {
        "id": str(member.user_id),
        "object": "organization.user",
        "name": member.user.name,
        "email": member.user.email,
        "role": member.role,
        "added_at": seconds(member.created_at),
        "created": seconds(member.user.created_at),
        "is_scim_managed": member.source == "scim",
        "is_service_account": False,
        "api_key_last_used_at": seconds(member.key_used_at),  # type: ignore[attr-defined]
    }


def invite_body(invitation: Invitation) -> dict[str, Any]:
    """The JSON of one invitation."""
    is_over = invitation.expires_at <= now()
    return {
        "id": str(invitation.id),
        "object": "organization.invite",
        "email": invitation.email,
        "role": "owner" if invitation.role == Role.OWNER else "reader",
        "licet_role": invitation.role,
        "status": "accepted" if invitation.accepted_at else "expired" if is_over else "pending",
        "created_at": seconds(invitation.created_at),
        "expires_at": seconds(invitation.expires_at),
        "accepted_at": seconds(invitation.accepted_at),
        "projects": [],
    }


def grantable(role: str) -> Role:
    """The role, if a key may give it. Raises RoleNotGrantable."""
    if ROLES[role] == Role.OWNER:
        raise RoleNotGrantable("An owner makes owners, in the portal.", param="role")
    return ROLES[role]


def require_no_owner(member: Membership) -> None:
    """Raise RoleNotGrantable for an owner's membership."""
    if member.role == Role.OWNER:
        raise RoleNotGrantable("Owners are changed and removed by owners, in the portal.")


class Users(APIView):
    """Members."""

    scope: ClassVar[str] = READ

    @extend_schema(
        operation_id="list_users",
        summary="List members",
        parameters=[
            LIMIT,
            AFTER,
            OpenApiParameter("emails[]", {"type": "array", "items": {"type": "string"}}),
        ],
        responses={200: UserList},
    )
    def get(self, request: Request) -> Response:
        """Active members; each has a seat."""
        page = members_page(
            caller_of(request).organization_id,
            emails=words_in(request, "emails"),
            **page_of(request),
        )
        return Response(list_body(page.rows, user_body, more=page.has_more))


class User(ScopeByMethod, APIView):
    """One member."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(operation_id="get_user", summary="Look at a member", responses={200: UserBody})
    def get(self, request: Request, user_id: UUID) -> Response:
        """The member."""
        return Response(user_body(member_of(caller_of(request).organization_id, user_id)))

    @extend_schema(
        operation_id="change_user",
        summary="Give a member another role",
        request=RoleRequest,
        responses={200: UserBody},
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        """Any role but owner, of anybody but an owner."""
        form = RoleRequest(data=request.data)
        form.is_valid(raise_exception=True)
        organization_id = caller_of(request).organization_id
        require_no_owner(member_of(organization_id, user_id))
        change_role(
            organization_id=organization_id,
            user_id=user_id,
            role=grantable(form.validated_data["role"]),
            actor=actor_of(request),
        )
        return Response(user_body(member_of(organization_id, user_id)))

    @extend_schema(operation_id="delete_user", summary="Remove a member", responses={200: Deleted})
    def delete(self, request: Request, user_id: UUID) -> Response:
        """The seat is free at once. Owners are removed in the portal."""
        organization_id = caller_of(request).organization_id
        require_no_owner(member_of(organization_id, user_id))
        remove_member(
            organization_id=organization_id,
            user_id=user_id,
            reason="removed by API",
            actor=actor_of(request),
            at=now(),
        )
        return Response(
            {"object": "organization.user.deleted", "id": str(user_id), "deleted": True}
        )


class Invites(ScopeByMethod, APIView):
    """Invitations."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="list_invites",
        summary="List invitations",
        parameters=[LIMIT, AFTER],
        responses={200: InviteList},
    )
    def get(self, request: Request) -> Response:
        """Open, expired and accepted ones; withdrawn ones are gone."""
        page = invitations_page(caller_of(request).organization_id, **page_of(request))
        return Response(list_body(page.rows, invite_body, more=page.has_more))

    @extend_schema(
        operation_id="create_invite",
        summary="Invite somebody",
        request=InviteRequest,
        responses={200: InviteBody},
    )
    def post(self, request: Request) -> Response:
        """A mail with a link; a seat only once it is accepted."""
        form = InviteRequest(data=request.data)
        form.is_valid(raise_exception=True)
        made = invite_member(
            organization_id=caller_of(request).organization_id,
            email=form.validated_data["email"],
            role=grantable(form.validated_data["role"]),
            actor=actor_of(request),
            at=now(),
        )
        return Response(invite_body(made.invitation))


class Invite(ScopeByMethod, APIView):
    """One invitation."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_invite", summary="Look at an invitation", responses={200: InviteBody}
    )
    def get(self, request: Request, invite_id: UUID) -> Response:
        """The invitation."""
        return Response(invite_body(invitation_of(caller_of(request).organization_id, invite_id)))

    @extend_schema(
        operation_id="delete_invite", summary="Withdraw an invitation", responses={200: Deleted}
    )
    def delete(self, request: Request, invite_id: UUID) -> Response:
        """The link stops working. One that was accepted is a member: remove the member instead."""
        organization_id = caller_of(request).organization_id
        if invitation_of(organization_id, invite_id).accepted_at is not None:
            raise InvalidRequest("It was accepted. Remove the member instead.", param="invite_id")
        withdraw_invitation(
            organization_id=organization_id,
            invitation_id=invite_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(
            {"object": "organization.invite.deleted", "id": str(invite_id), "deleted": True}
        )
