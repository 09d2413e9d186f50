"""The gateway that the settings name: Stripe with a key, the stand-in without one."""

import hashlib
import hmac

from django.conf import settings

from billing.gateways.fake.transport import FakeTransport
from billing.gateways.stripe_gateway import StripeGateway


def configured_gateway() -> StripeGateway:
    """Stripe if a key is configured, else the stand-in, which says so of itself."""
    if settings.STRIPE_SECRET_KEY:
        return StripeGateway(settings.STRIPE_SECRET_KEY)
    return stand_in()


def stand_in() -> StripeGateway:
    """The gateway on the in-tree stand-in for Stripe."""
    return StripeGateway("sk_test_stand_in", transport=FakeTransport(), is_stand_in=True)


def webhook_secrets() -> list[str]:
    """The signing secrets in force. The stand-in's is refused as soon as a Stripe key is set."""
    if settings.STRIPE_SECRET_KEY:
        return list(settings.STRIPE_WEBHOOK_SECRETS)
    return [stand_in_secret()]


def stand_in_secret() -> str:
    """The stand-in's signing secret, the same in every process of this installation."""
    digest = hmac.new(settings.SECRET_KEY.encode(), b"stripe stand-in webhooks", hashlib.sha256)
    return f"whsec_{digest.hexdigest()}"
