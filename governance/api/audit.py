"""The audit log for programs: checkpoints for everybody, proofs of one's own entries."""

import base64
from collections.abc import Sequence
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.kernel.errors import InvalidRequest, NotFound
from governance.operations.api_keys import Caller
from governance.operations.audit_tree import audit_signer
from governance.queries.audit_tree import (
    checkpoint_of,
    consistency_proof,
    inclusion_proof,
    latest_checkpoint,
)

SIZE = OpenApiParameter("size", int, description="leaves of the checkpoint; the latest by default")
FROM = OpenApiParameter("from", int, required=True, description="leaves of the older tree")
TO = OpenApiParameter("to", int, required=True, description="leaves of the newer tree")
# More digits than any size of a log in 64 bits.
DIGITS = 18
NOTE = {(200, "text/plain"): OpenApiTypes.STR}


@require_GET
def verifier_key(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The key that checkpoints are verified with: ``name+keyid+base64``."""
    return HttpResponse(
        audit_signer().verifier_key + "\n", content_type="text/plain; charset=utf-8"
    )


class CheckpointView(APIView):
    """The log's signed size and root, as C2SP tlog-checkpoint; needs no key."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses=NOTE, auth=[])
    def get(self, request: Request, size: int | None = None) -> HttpResponse:  # noqa: ARG002
        """The latest checkpoint, or that of ``size`` leaves."""
        found = latest_checkpoint() if size is None else checkpoint_of(size)
        if found is None:
            raise NotFound("The log has no checkpoint yet. One is signed each hour.")
        return HttpResponse(found.note, content_type="text/plain; charset=utf-8")


class ConsistencyView(APIView):
    """That a newer tree continues an older one; needs no key."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(parameters=[FROM, TO], responses=OpenApiTypes.OBJECT, auth=[])
    def get(self, request: Request) -> Response:
        """The hashes of RFC 6962, section 2.1.2, in base64."""
        proof = consistency_proof(number(request, "from"), number(request, "to"))
        return Response(
            {
                "object": "audit.consistency_proof",
                "from": proof.old,
                "to": proof.new,
                "hashes": encoded(proof.path),
            }
        )


class InclusionView(APIView):
    """That an entry of the key's organization is in the tree of a checkpoint."""

    scope = "organization:read"

    @extend_schema(parameters=[SIZE], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, entry: UUID) -> Response:
        """The leaf's bytes, the hashes of RFC 6962, section 2.1.1, and the checkpoint."""
        caller = request.auth
        assert isinstance(caller, Caller), "the permission class lets only keys in"
        size = number(request, "size") if "size" in request.query_params else None
        proof = inclusion_proof(entry, organization_id=caller.organization_id, size=size)
        return Response(
            {
                "object": "audit.inclusion_proof",
                "index": proof.index,
                "size": proof.size,
                "leaf": proof.data,
                "hashes": encoded(proof.path),
                "checkpoint": proof.checkpoint,
                "verifier_key": audit_signer().verifier_key,
            }
        )


def number(request: Request, name: str) -> int:
    """A whole number from the query. Raises InvalidRequest."""
    text = request.query_params.get(name, "")
    if not (text.isdecimal() and len(text) <= DIGITS):
        raise InvalidRequest(f"{name} must be a whole number of leaves.", param=name)
    return int(text)


def encoded(hashes: Sequence[bytes]) -> list[str]:
    """Hashes in base64."""
    return [base64.b64encode(each).decode() for each in hashes]
