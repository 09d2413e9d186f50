"""POST /billing/stripe/webhook: signed by Stripe, or by the stand-in where no key is configured."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.gateways.configured import configured_gateway, webhook_secrets
from billing.gateways.protocol import GatewayUnavailable
from billing.gateways.signatures import SignatureRejected, verified_event
from billing.operations.events import receive_event

logger = logging.getLogger(__name__)
LARGEST_BODY = 512 * 1024


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Verify on the raw bytes, then apply. 2xx: done, also for what does not concern us.

    4xx: not from Stripe; 503: Stripe shall send it again.
    """
    at = now()
    body = request.body
    if len(body) > LARGEST_BODY:
        return JsonResponse({"error": "the event is too large"}, status=413)
    try:
        event = verified_event(
            body, request.headers.get("Stripe-Signature", ""), secrets=webhook_secrets(), at=at
        )
    except SignatureRejected as rejection:
        logger.warning("a webhook was refused: %s", rejection)
        return JsonResponse({"error": str(rejection)}, status=400)
    try:
        outcome = receive_event(event=event, gateway=configured_gateway(), at=at)
    except GatewayUnavailable:
        logger.warning("the event %s waits: Stripe does not answer", event.id)
        return JsonResponse({"error": "try again later"}, status=503)
    return JsonResponse({"outcome": outcome})
