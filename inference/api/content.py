"""The bytes of an image: behind a signed address, whole or in ranges, and only if the receipt fits."""

import re
from typing import ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date, parse_etags, parse_http_date_safe, quote_etag
from django.utils.timezone import now
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.problems import problem_response
from governance.kernel.errors import DomainError
from governance.kernel.tenancy import reading_for
from inference.api.admission import caller_of
from inference.models import Artifact
from inference.operations.addresses import artifact_behind
from inference.operations.deleting import delete_image
from inference.operations.storage import read_image
from inference.queries.generations import artifact_by_id

# More digits than any size has are no range.
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiable(DomainError):
    """The range lies outside the image."""

    code = "range_not_satisfiable"
    title = "The range lies outside the image"
    status = 416


@require_safe
def image_content(request: HttpRequest, token: str) -> HttpResponse:
    """GET /v1/images/content/TOKEN: the image behind a signed address, if its tenant still has it."""
    try:
        artifact_id, organization_id = artifact_behind(token)
        with reading_for(organization_id):
            artifact = artifact_by_id(organization_id, artifact_id)
        if is_unchanged(request, artifact):
            return HttpResponse(status=304, headers=headers_of(artifact))
        return content(request, artifact, read_image(artifact))
    except RangeNotSatisfiable as error:
        response = problem_response(error, request)
        response.headers["Content-Range"] = f"bytes */{error.facts['size_bytes']}"
        return response
    except DomainError as error:
        return problem_response(error, request)


def content(request: HttpRequest, artifact: Artifact, data: bytes) -> HttpResponse:
    """200 with everything or 206 with the range (RFC 9110, one range). Raises RangeNotSatisfiable."""
    headers = headers_of(artifact)
    wanted = None if is_for_another(request, artifact) else range_of(request, len(data))
    if wanted is None:
        return HttpResponse(data, content_type=artifact.media_type, headers=headers)
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return HttpResponse(
        data[first : last + 1], status=206, content_type=artifact.media_type, headers=headers
    )


def headers_of(artifact: Artifact) -> dict[str, str]:
    """What lets a client keep an image and ask again only whether it is still the same."""
    return {
        "ETag": quote_etag(artifact.sha256),
        "Last-Modified": http_date(artifact.created_at.timestamp()),
        "Cache-Control": "private, max-age=3600",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }


def is_unchanged(request: HttpRequest, artifact: Artifact) -> bool:
    """Whether the client has this image: If-None-Match, else If-Modified-Since (RFC 9110, 13.2.2)."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    if tags:
        mine = quote_etag(artifact.sha256)
        return "*" in tags or mine in {tag.removeprefix("W/") for tag in tags}
    since = parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    return since is not None and int(artifact.created_at.timestamp()) <= since


def is_for_another(request: HttpRequest, artifact: Artifact) -> bool:
    """Whether If-Range names another version, so that the range is void and everything is sent."""
    condition = request.headers.get("If-Range")
    known = (quote_etag(artifact.sha256), http_date(artifact.created_at.timestamp()))
    return condition is not None and condition not in known


def range_of(request: HttpRequest, size: int) -> tuple[int, int] | None:
    """First and last byte asked for; None for everything, for several ranges and for other units.

    Raises RangeNotSatisfiable.
    """
    found = RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    else:
        first, last = max(size - int(found[2]), 0), size - 1
    if first > last:
        if found[1] and found[2] and int(found[2]) < int(found[1]):
            return None
        raise RangeNotSatisfiable(f"The image has {size} bytes.", size_bytes=size)
    return first, last


class ImageDeletion(APIView):
    """One image of one generation."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="delete_image", responses={204: None}, summary="Delete one image for good"
    )
    def delete(self, request: Request, generation_id: UUID, index: int) -> Response:
        """Its bytes are gone and its addresses dead; row, hash and receipt stay as evidence."""
        delete_image(
            organization_id=caller_of(request).organization_id,
            generation_id=generation_id,
            index=index,
            actor=actor_of(request),
            at=now(),
        )
        return Response(status=204)
