"""An organization at a glance."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now

from billing.queries.balances import balance_of
from governance.models import Organization
from governance.portal.access import organization_page
from governance.queries.releases import default_release_slug
from governance.queries.standing import standing_of
from inference.queries.generations import generations_of

RECENT = 6


@organization_page()
def organization_home(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Standing, balance, seats, the last pictures, and how to make the next one."""
    standing = standing_of(organization.id, at=now())
    return render(
        request,
        "inference/organization.html",
        {
            "standing": standing,
            "seats_free": max(standing.seats.limit - standing.seats.used, 0),
            "balance": balance_of(organization.id),
            "recent": generations_of(organization.id, limit=RECENT).rows,
            **quick_start(),
        },
    )


def quick_start() -> dict[str, Any]:
    """Code that works once the reader's key is put in."""
    base = f"{settings.PUBLIC_URL}/v1"
    return {
        "base_url": base,
        "curl": (
            f"curl -sS {base}/images/generations \\\n"
            "  -H 'Authorization: Bearer YOUR_KEY' -H 'Content-Type: application/json' \\\n"
            """  -d '{"prompt": "a large red circle on a blue background"}' \\\n"""
            "  | python3 -c 'import sys,json,base64;"
            'open("licet.png","wb").write('
            'base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))\''
        ),
        "python": (
            "from openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{base}", api_key="YOUR_KEY")\n'
            f'image = client.images.generate(model="{default_release_slug()}",\n'
            '                               prompt="a large red circle on a blue background")\n'
            'print(image.usage.model_extra["cost_microusd"], "microdollars")'
        ),
    }
