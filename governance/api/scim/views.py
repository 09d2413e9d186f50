"""SCIM over Django: ``/scim/v2/...`` with the bearer token of one organization's directory."""

import json
import logging
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from scim2_models import (
    AuthenticationScheme,
    EnterpriseUser,
    Group,
    Resource,
    ResourceType,
    SCIMException,
    ScimProvider,
    ServiceProviderConfig,
    UnauthorizedException,
    User,
)
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from scim2_server.routing import Operation
from scim2_server.service import ScimService

from governance.api.authentication import client_ip
from governance.api.scim.storage import DirectoryStorage
from governance.kernel.actors import Actor
from governance.kernel.tenancy import READING, enter_tenant
from governance.models import DirectoryToken, Organization
from governance.operations.directory import directory_of

logger = logging.getLogger(__name__)
MAX_RESULTS = 200


@cache
def provider() -> ScimProvider:
    """The service as it describes itself: users, groups, patch, filter, sort, ETag; no bulk."""
    config = ServiceProviderConfig.model_validate(
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MAX_RESULTS},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
        }
    )
    config.authentication_schemes = [
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="The token of the organization's directory connection.",
        )
    ]
    return ScimProvider(
        models=[User, EnterpriseUser, Group],
        resource_types=[
            ResourceType.from_resource(User[EnterpriseUser]),
            ResourceType.from_resource(Group),
        ],
        config=config,
    )


@cache
def service() -> ScimService:
    """The protocol, shared by every organization."""
    return ScimService(provider())


@cache
def models() -> dict[str, type[Resource[Any]]]:
    """The model of each kind of resource, with its extensions."""
    return {str(kind.name): service().get_model(kind) for kind in provider().resource_types}


@csrf_exempt
def scim(request: HttpRequest, path: str = "") -> HttpResponse:
    """One SCIM request. Nothing of another organization can be named with its token."""
    asked = ScimRequest(
        method=request.method or "GET",
        base_url=f"{settings.PUBLIC_URL}/scim/v2",
        path=f"/{path}",
        query=request.GET.dict(),
        headers=dict(request.headers),
        body=request.body,
    )
    try:
        answer = _handler(request, asked).handle(asked)
    except Exception as error:
        if not isinstance(error, SCIMException):
            logger.exception("SCIM request failed")
        answer = service().error_response(error)
    return _http(answer)


def _handler(request: HttpRequest, asked: ScimRequest) -> ScimHandler:
    connection = _connection(request)
    if connection is None:
        if service().match(asked).operation is not Operation.service_provider_config:
            raise UnauthorizedException(detail="Send the directory's token as a bearer token.")
        return ScimHandler(service(), DirectoryStorage(Organization(), _actor(request, None), {}))
    organization = connection.organization
    if request.method in READING:
        enter_tenant(organization.id)
    actor = _actor(request, connection)
    return ScimHandler(service(), DirectoryStorage(organization, actor, models()))


def _connection(request: HttpRequest) -> DirectoryToken | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return directory_of(secret.strip()) if scheme.lower() == "bearer" else None


def _actor(request: HttpRequest, connection: DirectoryToken | None) -> Actor:
    return Actor(
        kind="api_key",
        id=str(connection.id) if connection else "",
        label=f"directory {connection.label}" if connection else "",
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )


def _http(answer: ScimResponse) -> HttpResponse:
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    response = HttpResponse(body, status=answer.status.value, content_type=SCIM_MEDIA_TYPE)
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response
