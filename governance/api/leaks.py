"""``POST /v1/leaks``: a secret scanner reports keys that it found in public."""

import json
import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.kernel.scanner_signature import is_signed, scanner_keys
from governance.operations.leaked_keys import FoundSecret, report_leaked_secret

logger = logging.getLogger(__name__)
IDENTIFIER, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
MOST_SECRETS = 1000


class ReportNotSigned(DomainError):
    """The report does not carry the signature of a scanner that this deployment knows."""

    code = "report_not_signed"
    title = "The report is not signed by a known scanner"
    status = 401


class LeakBody(serializers.Serializer[Any]):
    """One secret that was found."""

    token = serializers.CharField(max_length=200)
    type = serializers.CharField(required=False, max_length=100)
    url = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=2000)
    # Serializer has a property of this name; for a schema the field is what counts.
    source = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, max_length=100
    )


class LeakVerdict(serializers.Serializer[Any]):
    """Whether it was one of ours, so that the scanner can learn."""

    token_raw = serializers.CharField()
    token_type = serializers.CharField()
    # As above.
    label = serializers.ChoiceField(  # type: ignore[assignment]
        ("true_positive", "false_positive")
    )


class Leaks(APIView):
    """Signed instead of authenticated: the scanner has no key, and needs none."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="report_leaked_keys",
        summary="Report leaked keys (secret scanners)",
        parameters=[
            OpenApiParameter(IDENTIFIER, str, OpenApiParameter.HEADER, required=True),
            OpenApiParameter(SIGNATURE, str, OpenApiParameter.HEADER, required=True),
        ],
        request=LeakBody(many=True),
        responses={200: LeakVerdict(many=True)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Each key of ours is revoked at once. The signature is over the raw body."""
        identifier = request.headers.get(IDENTIFIER, "")
        # Read before the parser does: the signature is over these very bytes.
        body = request._request.body  # noqa: SLF001
        if not is_signed(
            body,
            identifier=identifier,
            signature=request.headers.get(SIGNATURE, ""),
            keys=configured_keys(settings.LEAK_SCANNER_KEYS),
        ):
            raise ReportNotSigned("Sign the raw body with a key that this deployment knows.")
        form = LeakBody(data=request.data, many=True, max_length=MOST_SECRETS)  # type: ignore[call-arg]
        form.is_valid(raise_exception=True)
        actor = Actor(
            kind="system",
            id=f"scanner:{identifier}"[:64],
            label="A secret scanner",
            ip=client_ip(request),
            request_id=getattr(request, "request_id", ""),
        )
        return Response([verdict(row, actor) for row in form.validated_data])


def verdict(row: dict[str, Any], actor: Actor) -> dict[str, str]:
    """Act on one reported secret, and say whether it was ours."""
    found = FoundSecret(row["token"], row.get("url") or "", row.get("source", ""))
    ours = report_leaked_secret(found=found, actor=actor, at=now())
    return {
        "token_raw": row["token"],
        "token_type": row.get("type", "licet_api_key"),
        "label": "true_positive" if ours else "false_positive",
    }


def configured_keys(file: Path | None) -> dict[str, Any]:
    """The scanners' public keys; none where no file is set, or where it cannot be read."""
    if file is None:
        return {}
    try:
        return dict(scanner_keys(file.read_text()))
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        logger.error("LICET_LEAK_SCANNER_KEYS cannot be used, every report is refused: %s", error)  # noqa: TRY400
        return {}
