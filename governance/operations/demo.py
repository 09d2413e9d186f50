"""The demo: an operator, Aurora Studio with its people, a key, the releases on this machine."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from governance.kernel.actors import SYSTEM
from governance.kernel.registry import demo_seeders
from governance.licensing.facts import Bracket
from governance.models import (
    Acceptance,
    ApiKey,
    Attestation,
    Organization,
    Project,
    ReleaseStatus,
    Role,
    User,
)
from governance.models import ModelRelease as Release
from governance.operations.acceptances import accept_terms
from governance.operations.api_keys import InvalidApiKey, authenticate, create_api_key
from governance.operations.attestations import sign_attestation
from governance.operations.demo_standings import seed_standings
from governance.operations.login_links import create_login_link
from governance.operations.organizations import add_member, create_organization
from governance.operations.releases import (
    hashed_files,
    read_card,
    register_release,
    slug_of,
    supersede_release,
    weights_sha256,
)
from governance.operations.standing import refresh_standings
from governance.queries.terms import terms_in_force

OPERATOR = ("operator@licet.example", "Olu Adeyemi")
OWNER = ("iris@aurora.example", "Iris Lindqvist")
PEOPLE = [
    ("Tomas Berg", Role.ADMIN), ("Mei Tanaka", Role.BILLING), ("Ada Novak", Role.AUDITOR),
    ("Leo Marchetti", Role.MEMBER), ("Sofia Reyes", Role.MEMBER), ("Noor Haddad", Role.MEMBER),
    ("Jonas Weber", Role.MEMBER), ("Priya Raman", Role.MEMBER), ("Elin Dahl", Role.MEMBER),
    ("Mateo Cruz", Role.MEMBER), ("Hana Suzuki", Role.MEMBER), ("Pavel Orlov", Role.MEMBER),
]  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """What `make up` prints."""

    organization: str
    login_url: str
    api_key: str


def seed_demo(*, at: datetime) -> Demo:
    """Make the demo, or what is missing of it. Safe to repeat: only the login link is new."""
    person(*OPERATOR, is_staff=True, is_superuser=True)
    owner = person(*OWNER)
    organization = organization_of("aurora-studio", "Aurora Studio")
    seed_people(organization, owner, at=at)
    seed_declarations(organization, owner, Bracket.UNDER_500K, at=at)
    seed_standings(at=at)
    register_local_releases(at=at)
    for seeder in demo_seeders.all():
        seeder(organization.id, at)
    refresh_standings(organization_ids=[organization.id], at=at)
    token = create_login_link(user=owner, at=at)
    return Demo(
        organization=organization.slug,
        login_url=f"{settings.PUBLIC_URL}/login/{token}/",
        api_key=demo_key(organization, owner, at=at),
    )


def person(email: str, name: str, **flags: bool) -> User:
    """The person of this address, made where missing."""
    known = User.objects.filter(email=email).first()
    return known or User.objects.create_user(email, None, name=name, **flags)


def organization_of(slug: str, name: str) -> Organization:
    """The organization of this slug, made where missing."""
    known = Organization.objects.filter(slug=slug).first()
    return known or create_organization(slug=slug, name=name, actor=SYSTEM)


def seed_people(organization: Organization, owner: User, *, at: datetime) -> None:
    """The owner and a dozen members, a seat each."""
    if organization.memberships.count() > len(PEOPLE):
        return
    add_member(organization_id=organization.id, user=owner, role=Role.OWNER, actor=SYSTEM, at=at)
    for name, role in PEOPLE:
        user = person(f"{name.split()[0].lower()}@aurora.example", name)
        add_member(organization_id=organization.id, user=user, role=role, actor=SYSTEM, at=at)


def seed_declarations(
    organization: Organization, owner: User, bracket: Bracket, *, at: datetime
) -> None:
    """Acceptance by the owner, and an attestation in force."""
    version = terms_in_force(at)
    accepted = Acceptance.objects.filter(
        organization=organization, document=version.licence, for_organization=True
    )
    if not accepted.exists():
        accept_terms(
            organization_id=organization.id, user=owner, version=version,
            authority="Managing director", actor=SYSTEM, at=at,
        )  # fmt: skip
    if not Attestation.objects.filter(organization=organization, expires_at__gt=at).exists():
        sign_attestation(
            organization_id=organization.id,
            period_start=(at - timedelta(days=366)).date(), period_end=(at - timedelta(days=1)).date(),
            bracket=bracket, signer_name=owner.name, signer_title="Managing director",
            signed_by=owner, expires_at=at + timedelta(days=300), actor=SYSTEM, at=at,
        )  # fmt: skip


def register_local_releases(*, at: datetime) -> list[Release]:
    """Put every model folder that holds a ``licet.json`` on record; changed files supersede."""
    root = settings.BASE_DIR / "inference" / "weights"
    return [_register(card.parent, at) for card in sorted(root.glob("*/licet.json"))]


def _register(folder: Path, at: datetime) -> Release:
    card, files = read_card(folder), hashed_files(folder)
    known = Release.objects.filter(slug=slug_of(card["name"])).first()
    if known is not None and known.status == ReleaseStatus.REVOKED:
        return known
    if known is not None and known.weights_sha256 != weights_sha256(files):
        supersede_release(release=known, actor=SYSTEM)
    turbo = card.get("variant", "turbo") == "turbo"
    guidance = round(1000 * float(card.get("guidance", 0.0 if turbo else 3.5)))
    return register_release(
        name=card["name"],
        variant="turbo" if turbo else "raw",
        source=card.get("source", str(folder.name)),
        revision=str(card.get("revision", "")),
        files=files,
        actor=SYSTEM,
        at=at,
        steps=int(card.get("steps", 8 if turbo else 28)),
        guidance_milli=guidance,
        min_side=int(card.get("min_side", 64)),
        max_side=int(card.get("max_side", 512)),
        default_side=int(card.get("default_side", 256)),
    )


def demo_key(organization: Organization, owner: User, *, at: datetime) -> str:
    """The demo's live key: the one in LICET_HOME/demo.json while it works, else a new one."""
    note = settings.LICET_HOME / "demo.json"
    if note.is_file():
        secret = str(json.loads(note.read_text())["api_key"])
        if _works(secret, organization, at):
            return secret
    with transaction.atomic():
        project = Project.objects.filter(organization=organization).earliest("created_at")
        made = create_api_key(
            project=project, name="Demo", actor=SYSTEM, at=at, created_by_id=owner.id
        )
        settings.LICET_HOME.mkdir(parents=True, exist_ok=True)
        note.touch(mode=0o600)
        note.chmod(0o600)
        note.write_text(json.dumps({"api_key": made.secret}))
    return made.secret


def _works(secret: str, organization: Organization, at: datetime) -> bool:
    try:
        caller = authenticate(secret=secret, at=at, ip=None)
    except InvalidApiKey:
        return False
    return ApiKey.objects.filter(id=caller.key_id, organization=organization).exists()
