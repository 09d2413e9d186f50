"""One organization's directory as a storage of scim2-server."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Union, cast
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.timezone import now
from scim2_models import (
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    SearchRequest,
    UniquenessException,
)
from scim2_models import User as ScimUser
from scim2_server.storage import ScimStorage, SearchPage
from scim2_server.utils import parametrize

from governance.api.scim.people import address_of, name_of, unique_name_of
from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.models import DirectoryResource, Organization
from governance.operations.directory import deprovision_person, provision_person
from governance.operations.members import LastOwner

Found = Resource[Any]


class DirectoryStorage(ScimStorage):
    """Resources of one organization: documents in the database, people and seats behind them."""

    def __init__(self, organization: Organization, actor: Actor, models: dict[str, type[Found]]):
        self.organization = organization
        self.actor = actor
        self.models = models

    def operation(self) -> AbstractContextManager[None]:
        """One transaction for one SCIM operation."""
        return cast("AbstractContextManager[None]", transaction.atomic())

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,  # noqa: ARG002 (storage's signature)
    ) -> Found:
        """The resource. Raises NotFoundException."""
        return self._resource(self._row(resource_type, resource_id))

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ARG002 (no cursors here)
    ) -> SearchPage:
        """One page by index. Filter and sort run over the organization's resources."""
        rows = self._rows().filter(kind__in=[kind.name for kind in resource_types])
        start = search_request.start_index_0 or 0
        stop = None if search_request.count is None else start + search_request.count
        if search_request.filter is None and search_request.sort_by is None:
            page = [self._resource(row) for row in rows[start:stop]]
            return SearchPage(rows.count(), page)
        found = self._matching([self._resource(row) for row in rows], search_request)
        return SearchPage(len(found), found[start:stop])

    def create(self, resource_type: ResourceType, resource: Found) -> Found:
        """Store a resource; an active User becomes a member with a seat."""
        at = now()
        row = DirectoryResource(
            id=uuid7(),
            organization=self.organization,
            kind=str(resource_type.name),
            created_at=at,
            updated_at=at,
        )
        return self._write(row, resource, at, new=True)

    def update(
        self,
        resource_type: ResourceType,
        resource: Found,
        *,
        expected_version: str | None = None,
    ) -> Found:
        """Store a resource's new state; deactivation frees the seat in the same transaction."""
        row = self._row(resource_type, str(resource.id), lock=True)
        _require_version(row, expected_version)
        row.version += 1
        row.updated_at = now()
        return self._write(row, resource, row.updated_at, new=False)

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        """Forget a resource; a User's membership ends and the seat is free."""
        row = self._row(resource_type, resource_id, lock=True)
        _require_version(row, expected_version)
        if row.user is not None:
            self._deprovision(row, now())
        row.delete()

    def _rows(self) -> QuerySet[DirectoryResource]:
        return DirectoryResource.objects.filter(organization=self.organization).order_by(
            "created_at", "id"
        )

    def _row(
        self, resource_type: ResourceType, resource_id: str, *, lock: bool = False
    ) -> DirectoryResource:
        rows = self._rows().filter(kind=resource_type.name)
        if lock:
            rows = rows.select_for_update(of=("self",))
        try:
            row = rows.select_related("user").filter(id=UUID(resource_id)).first()
        except ValueError:
            row = None
        if row is None:
            raise NotFoundException(detail=f"There is no {resource_type.name} {resource_id}.")
        return row

    def _resource(self, row: DirectoryResource) -> Found:
        resource = self.models[row.kind].model_validate(row.document)
        resource.id = str(row.id)
        resource.meta = Meta(
            resource_type=row.kind,
            created=row.created_at,
            last_modified=row.updated_at,
            version=f'W/"{row.version}"',
        )
        return resource

    def _write(self, row: DirectoryResource, resource: Found, at: datetime, *, new: bool) -> Found:
        row.unique_name = unique_name_of(resource)
        row.document = _document(resource)
        try:
            with transaction.atomic():
                row.save(force_insert=new)
        except IntegrityError as taken:
            raise UniquenessException(detail=f"{row.unique_name} is taken.") from taken
        row.refresh_from_db()
        if isinstance(resource, ScimUser):
            self._settle(row, resource, at)
        return self._resource(row)

    def _settle(self, row: DirectoryResource, person: "ScimUser[Any]", at: datetime) -> None:
        if person.active is False:
            self._deprovision(row, at)
            return
        row.user = provision_person(
            organization=self.organization,
            address=address_of(person, self.organization.slug),
            name=name_of(person),
            user=row.user,
            actor=self.actor,
            at=at,
        )
        row.save(update_fields=["user"])

    def _deprovision(self, row: DirectoryResource, at: datetime) -> None:
        if row.user is None:
            return
        try:
            deprovision_person(
                organization=self.organization, user=row.user, actor=self.actor, at=at
            )
        except LastOwner as refusal:
            raise InvalidValueException(detail=refusal.detail) from refusal

    def _matching(self, found: list[Found], request: SearchRequest[Any]) -> list[Found]:
        wanted = request.filter
        if wanted is not None and not wanted.models and found:
            models = tuple(dict.fromkeys(type(resource) for resource in found))
            wanted = parametrize(ScimFilter, Union[models])(str(wanted))  # noqa: UP007 (made at run time)
        kept = [resource for resource in found if wanted is None or wanted.match(resource)]
        if request.sort_by is None:
            return kept

        def key(resource: Found) -> tuple[bool, Any, str]:
            value = request.sort_value(resource)
            return value is None, "" if value is None else value, str(resource.id)

        descending = request.sort_order == SearchRequest.SortOrder.descending
        return sorted(kept, key=key, reverse=descending)


def _require_version(row: DirectoryResource, expected: str | None) -> None:
    if expected is not None and expected != f'W/"{row.version}"':
        raise PreconditionFailedException


def _document(resource: Found) -> dict[str, Any]:
    document: dict[str, Any] = resource.model_dump(scim_ctx=None, mode="json", exclude_none=True)
    for managed in ("id", "meta"):
        document.pop(managed, None)
    return document
