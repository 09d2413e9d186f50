"""``python -m inference.benchmarks.world N``: N licensed tenants with credit; prints their keys as JSON."""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
django.setup()

from django.utils.timezone import now  # noqa: E402 (Django first)

from billing.operations.credits import grant_credit  # noqa: E402
from governance.kernel.actors import SYSTEM  # noqa: E402
from governance.kernel.money import usd  # noqa: E402
from governance.licensing.facts import Bracket  # noqa: E402
from governance.models import ModelRelease, User  # noqa: E402
from governance.operations.api_keys import create_api_key  # noqa: E402
from governance.operations.demo import seed_declarations  # noqa: E402
from governance.operations.organizations import create_organization  # noqa: E402
from governance.operations.standing import refresh_standings  # noqa: E402

RELEASE = "krea-2-tiny-turbo"


def main(tenants: int) -> None:
    """Make the release and the tenants."""
    ModelRelease.objects.get_or_create(
        slug=RELEASE,
        defaults={
            "name": "Krea-2-Tiny-Turbo", "variant": "turbo", "source": "bench", "licence": "bench",
            "steps": 8, "min_side": 64, "max_side": 1024, "default_side": 256,
        },
    )  # fmt: skip
    sys.stdout.write(json.dumps([tenant(number) for number in range(tenants)]) + "\n")


def tenant(number: int) -> str:
    """One organization; its key."""
    name = f"bench-{number}"
    organization = create_organization(slug=name, name=name, actor=SYSTEM)
    signer = User.objects.create_user(f"{name}@example.com", name="Signe")
    seed_declarations(organization, signer, Bracket.UNDER_500K, at=now())
    refresh_standings(organization_ids=[organization.id], at=now())
    grant_credit(
        organization_id=organization.id,
        amount=usd(100_000),
        kind="paid",
        external_reference=f"bench:{name}",
        actor=SYSTEM,
        at=now(),
    )
    created = create_api_key(
        project=organization.projects.get(), name="bench", actor=SYSTEM, at=now()
    )
    return created.secret


if __name__ == "__main__":
    main(int(sys.argv[1]))
