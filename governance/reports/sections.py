"""Governance's own chapters: eligibility, releases, access to evidence, law."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from governance.kernel.report_parts import Clause, ReportScope, ReportSection, Result, Table
from governance.models import (
    Acceptance,
    Attestation,
    Breach,
    DeniedFile,
    Destruction,
    Membership,
    ModelRelease,
    Organization,
    Seat,
    StandingChange,
    TerminationNotice,
)
from governance.queries.terms import as_terms, terms_in_force

LICENCE = "Krea 2 Community License Agreement"
MISSION = "mission brief (the licence has no clause on seats)"
OWN_CHOICE = "the host's own choice"


def day(moment: datetime) -> str:
    """A date as it stands in the report."""
    return moment.strftime("%Y-%m-%d")


def eligibility(scope: ReportScope) -> list[ReportSection]:
    """Standing, seats, attestations and acceptances at the end of the period."""
    organizations = list(organizations_of(scope))
    rows = [standing_row(each, scope) for each in organizations]
    changes = StandingChange.objects.filter(
        organization__in=organizations, at__gte=scope.starts_at, at__lt=scope.ends_at
    )
    clauses = (
        revenue_clause(organizations, scope),
        seats_clause(organizations, scope),
        acceptance_clause(organizations, scope),
    )
    history = tuple(
        (day(change.at), change.organization.slug, change.before or "new", change.after)
        for change in changes.select_related("organization").order_by("at", "id")
    )
    return [
        ReportSection(
            "eligibility",
            "Eligibility",
            30,
            "Who may use the model: revenue is attested, seats are counted, the terms are accepted.",
            facts=(
                ("Organizations", str(len(organizations))),
                ("Changes of standing", str(len(history))),
            ),
            tables=(
                Table(
                    "Standing at the end of the period",
                    ("Organization", "Standing", "Seats", "Revenue attested", "Valid until"),
                    tuple(rows),
                ),
                Table("Changes of standing", ("Day", "Organization", "Before", "After"), history),
            ),
            clauses=clauses,
        )
    ]


def organizations_of(scope: ReportScope) -> list[Organization]:
    """The organizations that existed at the end of the period, by slug."""
    found = Organization.objects.filter(created_at__lt=scope.ends_at)
    if scope.organization_id is not None:
        found = found.filter(id=scope.organization_id)
    return list(found.order_by("slug"))


def standing_row(organization: Organization, scope: ReportScope) -> tuple[str, ...]:
    """One organization's line."""
    change = (
        StandingChange.objects.filter(organization=organization, at__lt=scope.ends_at)
        .order_by("-at", "-id")
        .first()
    )
    statement = attestation_at(organization, scope.ends_at)
    return (
        organization.slug,
        change.after.replace("_", " ") if change else "not decided",
        str(seats_at(organization, scope.ends_at)),
        statement.bracket.replace("_", " ") if statement else "none",
        day(statement.expires_at) if statement else "",
    )


def attestation_at(organization: Organization, at: datetime) -> Attestation | None:
    """The newest statement of revenue that was signed by then, for the organization or its group."""
    own = Q(organization=organization)
    if organization.group_id:
        own |= Q(organization__group_id=organization.group_id)
    return Attestation.objects.filter(own, signed_at__lt=at).order_by("-signed_at", "-id").first()


def seats_at(organization: Organization, at: datetime) -> int:
    """Seats in the organization's pool at a moment."""
    pool: UUID = organization.group_id or organization.id
    return (
        Seat.objects.filter(pool_id=pool, claimed_at__lt=at)
        .filter(Q(released_at=None) | Q(released_at__gte=at))
        .count()
    )


def revenue_clause(organizations: list[Organization], scope: ReportScope) -> Clause:
    """2.3: each organization has a statement under the threshold that had not expired."""
    covered = 0
    for organization in organizations:
        statement = attestation_at(organization, scope.ends_at)
        under = statement is not None and statement.bracket not in {"at_or_over_1m", "unsure"}
        covered += bool(under and statement and statement.expires_at >= scope.ends_at)
    missing = len(organizations) - covered
    return Clause(
        "2.3",
        LICENCE,
        "Company-wide revenue of the trailing twelve months stays under 1,000,000 USD, affiliates included.",
        "Signed attestation with period, bracket, affiliates and expiry; no generation without one.",
        f"{covered} of {len(organizations)} organizations attested and valid at the end",
        "entries attestation.signed, standing.changed",
        "pass" if not missing else "attention",
    )


def seats_clause(organizations: list[Organization], scope: ReportScope) -> Clause:
    """The seats rule, which is not the licence's."""
    limit = as_terms(terms_in_force(scope.ends_at)).seats.limit
    most = max((seats_at(each, scope.ends_at) for each in organizations), default=0)
    peak = max(most, scope.figures["seats"]["peak"])
    result: Result = "pass" if peak <= limit else "attention"
    return Clause(
        "seats",
        MISSION,
        f"At most {limit} seats in a control group without an enterprise contract.",
        "A seat is claimed under a lock before a person comes in; the door closes at the limit.",
        f"{most} seats at the end, {peak} at the peak",
        "entries seat.claimed, seat.released",
        result,
    )


def acceptance_clause(organizations: list[Organization], scope: ReportScope) -> Clause:
    """3.1(a): organizations and persons accepted the terms."""
    accepted = Acceptance.objects.filter(
        organization__in=organizations, accepted_at__lt=scope.ends_at
    )
    bound = accepted.filter(for_organization=True).values("organization").distinct().count()
    members = (
        Membership.objects.filter(organization__in=organizations, created_at__lt=scope.ends_at)
        .filter(Q(deactivated_at=None) | Q(deactivated_at__gte=scope.ends_at))
        .values_list("organization_id", "user_id")
    )
    persons = set(accepted.filter(for_organization=False).values_list("organization_id", "user_id"))
    own = sum(member in persons for member in members)
    whole = bound == len(organizations)
    return Clause(
        "3.1(a)",
        LICENCE,
        "Each recipient is given the agreement and is bound by it.",
        "Acceptance by organization and by person, tied to the document's SHA-256.",
        f"{bound} of {len(organizations)} organizations, {own} of {len(members)} members",
        "entries terms.accepted; the texts at /LICENSE-MODEL and /policy",
        "pass" if whole and own == len(members) else "attention",
    )


def releases(scope: ReportScope) -> list[ReportSection]:
    """Releases and adapters with their hashes, denied files, notices, breaches, destruction."""
    known = ModelRelease.objects.filter(created_at__lt=scope.ends_at).order_by("slug")
    if scope.organization_id is not None:
        known = known.filter(Q(organization=None) | Q(organization_id=scope.organization_id))
    rows = tuple(
        (each.slug, each.kind, state_at(each, scope.ends_at), each.weights_sha256 or "not recorded")
        for each in known
    )
    return [
        ReportSection(
            "releases",
            "Releases, adapters and their hashes",
            60,
            "Which weights could be used, each under the hash of its files.",
            facts=(
                ("Releases and adapters", str(len(rows))),
                (
                    "Denied files",
                    str(DeniedFile.objects.filter(added_at__lt=scope.ends_at).count()),
                ),
            ),
            tables=(Table("Releases", ("Name", "Kind", "State", "SHA-256 of the weights"), rows),),
            clauses=release_clauses(list(known), scope),
        )
    ]


def state_at(release: ModelRelease, at: datetime) -> str:
    """Whether it was revoked by then; what superseded it is in the log."""
    return "revoked" if release.revoked_at and release.revoked_at < at else "registered"


def release_clauses(known: list[ModelRelease], scope: ReportScope) -> tuple[Clause, ...]:
    """Clauses 2.1, 3.1(b), 3.2 and 9."""
    revoked = [each for each in known if state_at(each, scope.ends_at) == "revoked"]
    destroyed = Destruction.objects.filter(release__in=revoked, signed_at__lt=scope.ends_at)
    signed = destroyed.values("release").distinct().count()
    derived = [each for each in known if each.kind != "base"]
    told = sum(bool(each.modified and each.notice) for each in derived)
    named = sum(each.name.startswith("Krea") for each in known)
    breaches = Breach.objects.filter(discovered_at__lt=scope.ends_at)
    if scope.organization_id is not None:
        breaches = breaches.filter(Q(organization=None) | Q(organization_id=scope.organization_id))
    notices = TerminationNotice.objects.filter(
        received_at__lt=scope.ends_at, withdrawn_at=None
    ).count()
    return (
        Clause("2.1", LICENCE, "The grant can be revoked.",
               "Registry of releases; a revoked one is unloaded and its queue emptied.",
               f"{len(known)} releases, {len(revoked)} revoked", "entries release.*", "pass"),
        Clause("3.1(b)", LICENCE, "The name of a distributed model begins with Krea.",
               "A database constraint refuses any other name.",
               f"{named} of {len(known)} names", "constraint release_name_begins_with_krea",
               "pass" if named == len(known) else "fail"),
        Clause("3.2", LICENCE, "A derivative says that it is modified.",
               "Flag and notice on every adapter and repack, by constraint.",
               f"{told} of {len(derived)} derivatives", "constraint release_derivative_says_so",
               "pass" if told == len(derived) else "fail"),
        Clause("9.1, 9.2", LICENCE, "A breach ends the licence at once; a notice in thirty days.",
               "Breach record, kill switch, notice clock.",
               f"{breaches.count()} breaches on record, {notices} notices running",
               "entries breach.*, notice.*", "pass" if not breaches and not notices else "attention"),
        Clause("9.4", LICENCE, "After the end all copies and derivatives are destroyed.",
               "Destruction is signed for with the list of copies.",
               f"{signed} of {len(revoked)} revoked releases", "entries release.destroyed",
               "pass" if signed == len(revoked) else "attention"),
    )  # fmt: skip


def access(scope: ReportScope) -> list[ReportSection]:
    """Who opened evidence, and where a person overruled what stands otherwise: counts and entries."""
    figures = scope.figures
    opened = tuple((act, str(count)) for act, count in sorted(figures["access"].items()))
    overruled = tuple((act, str(count)) for act, count in sorted(figures["overrides"].items()))
    return [
        ReportSection(
            "access",
            "Access to evidence, and overrides",
            90,
            "Every look at sealed evidence and every override is an entry of the log, with its reason; "
            "those that take two people name both.",
            tables=(
                Table("Access", ("Act", "Entries"), opened),
                Table("Overrides", ("Act", "Entries"), overruled),
            ),
        )
    ]


def law(scope: ReportScope) -> list[ReportSection]:
    """What laws ask for beside the licence."""
    images, removals = scope.figures["images"], scope.figures["removals"]
    withheld = sum(sum(each.values()) for each in scope.figures["incidents"].values())
    marked = min(images["credentials"], images["watermarks"])
    whole = marked == images["released"]
    return [
        ReportSection(
            "law",
            "Law beside the licence",
            100,
            "Secondary sources were used; counsel checks the primary text.",
            facts=(
                ("Images marked in two layers (EU AI Act, Art. 50(2))", f"{marked} of {images['released']}"),
                ("Removals done, rejected, late",
                 ", ".join(str(removals[word]) for word in ("removed", "rejected", "late"))),
                ("Statements of reasons (DSA, Art. 17)", str(withheld)),
            ),
            clauses=(
                Clause("Art. 50(2)", "EU AI Act", "Synthetic output is marked, machine-readable.",
                       "Content credentials and an invisible watermark, read back before release.",
                       f"{marked} of {images['released']} images", "entries generation.succeeded",
                       "pass" if whole else "attention"),
            ),
        )
    ]  # fmt: skip
