"""The first version of the terms, as migration 0003 writes it. Never edited: a change is imported.

The documents are our own summaries of the clauses that become controls here, and say so. The
operator pastes the official text with ``manage.py import_terms``; everyone is then asked again.
"""

from datetime import UTC, date, datetime
from typing import Any

from governance.kernel.canonical import fingerprint, sha256_hex
from governance.licensing.terms import LICENCE_SOURCE, SEAT_SOURCE

LABEL = "2026-06-22.1"
EFFECTIVE_FROM = datetime(2026, 6, 22, tzinfo=UTC)
DATED = date(2026, 6, 22)

SUMMARY_MARK = (
    "THIS IS A SUMMARY WRITTEN BY LICET, NOT THE OFFICIAL TEXT.\n"
    "The official text binds. The operator imports it, with its hash, by\n"
    "`python manage.py import_terms --kind {kind} --file <official text>`.\n"
)
NOTICE_SENTENCE = (
    "Krea 2 is licensed under the Krea 2 Community License Agreement. "
    "For more information, visit https://krea.ai/krea-2-licensing."
)

LICENCE_CLAUSES = [
    ("2.1", "Grant", "The grant is revocable and may not be sublicensed."),
    ("2.3", "Revenue test", ("Total company-wide revenue of the trailing twelve months, from all "
     "sources, of the entity and all affiliates under common ownership or control, is strictly "
     "less than 1,000,000 USD at any time; exactly 1,000,000 USD is too much. Who reaches it ceases "
     "commercial use at once and contacts the licensor.")),
    ("3.1(a)", "Passing on the agreement", ("Whoever makes a product or service with the model "
     "available gives each recipient the agreement and binds them to it.")),
    ("3.1(b)", "Name", "The name of a distributed model begins with \"Krea\"."),
    ("3.1(c)", "Notice", "A notice with the sentence: " + NOTICE_SENTENCE),
    ("3.2", "Derivatives", ("A derivative says that it is modified and is not presented as "
     "official.")),
    ("4.1(c)", "Safety measures", ("Security, usage restrictions, provenance and watermarking are "
     "not removed.")),
    ("4.2", "Content filters", "Reasonable content filters detect, prevent and mitigate."),
    ("4.3", "Disclosure", "AI generation is disclosed where law or a platform's policy requires."),
    ("4.4", "Acceptable use", "The Acceptable Use Policy is part of the agreement."),
    ("5.3", "Outputs", "The user owns the outputs."),
    ("8", "Indemnity", "The host indemnifies the licensor; missing filters are named."),
    ("9.1", "Breach", "Any breach ends the licence at once; there is no cure period."),
    ("9.2", "Notice of termination", "The licensor may end the licence with 30 days' notice."),
    ("9.4", "After the end", ("On termination use ceases, and all copies and all derivatives are "
     "destroyed.")),
]  # fmt: skip

POLICY_CLAUSES = [
    ("1", "Child sexual abuse material", "No child sexual abuse material."),
    ("2", "Intimate imagery", ("No non-consensual intimate imagery; no deepfakes of real people in "
     "intimate contexts.")),
    ("3", "Impersonation and elections", "No unlawful impersonation, no election interference."),
    ("4", "Third parties' rights", ("No violation of intellectual property, publicity, personality "
     "or digital replica rights.")),
    ("5", "Military", "No military applications."),
    ("6", "Surveillance", "No mass surveillance."),
    ("7", "Harm to others", ("No fraud, defamation, harassment, abuse, threats, discrimination, "
     "incitement, unlawful or obscene content.")),
    ("8", "Circumvention", "No circumventing of safety measures, filters or provenance."),
    ("9", "Deception", ("No passing off of outputs as made by a human with intent to deceive. "
     "(Second-hand: the stored copies of the page end within item 8.)")),
]  # fmt: skip


def document(
    kind: str, title: str, version: str, clauses: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """One document's columns: text, clauses and hash of the text."""
    head = SUMMARY_MARK.format(kind=kind)
    body = "\n\n".join(f"{number}  {name}\n{text}" for number, name, text in clauses)
    text = f"{title}, {version}, {DATED}\n\n{head}\n{body}\n"
    return _document(kind, title, version, text, clauses)


def _document(
    kind: str, title: str, version: str, text: str, clauses: list[tuple[str, str, str]]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "version": version,
        "dated": DATED,
        "text": text,
        "clauses": [{"number": n, "title": t, "summary": s} for n, t, s in clauses],
        "sha256": sha256_hex(text.encode()),
    }


DOCUMENTS = [
    document("licence", "Krea 2 Community License Agreement", "v.1", LICENCE_CLAUSES),
    document("policy", "Krea 2 Acceptable Use Policy", "2026-06-22", POLICY_CLAUSES),
    _document("notice", "Notice", "v.1", NOTICE_SENTENCE + "\n", []),
]

RULES: list[dict[str, Any]] = [
    {
        "id": "seats", "metric": "seats_used", "comparison": "<=", "limit": 50,
        "source": SEAT_SOURCE, "citation": "", "warn_at": 40, "grace_days": 14,
        "consequence": "generation stops when the grace is over",
        "next_step": "Reclaim seats until the limit is met, or record an enterprise contract. An "
        "owner or admin does this on the seats page.",
        "door": "hard", "since": "",
    },
    {
        "id": "revenue", "metric": "revenue_microusd", "comparison": "<",
        "limit": 1_000_000_000_000, "source": LICENCE_SOURCE, "citation": "2.3",
        "warn_at": 800_000_000_000, "grace_days": 0,
        "consequence": "commercial use, and with it all generation, stops at once",
        "next_step": "Cease commercial use at once and contact the licensor for an enterprise "
        "licence; generation resumes when the contract is on record.",
        "door": "hard", "since": "",
    },
    {
        "id": "attestation", "metric": "attestation_in_force", "comparison": "is", "limit": 1,
        "source": LICENCE_SOURCE, "citation": "2.3", "warn_at": 30, "grace_days": 0,
        "consequence": "generation stops: the revenue test holds at any time",
        "next_step": "An owner signs the attestation of revenue on the attestation page.",
        "door": "hard", "since": "",
    },
    {
        "id": "acceptance", "metric": "acceptance_in_force", "comparison": "is", "limit": 1,
        "source": LICENCE_SOURCE, "citation": "3.1(a)", "warn_at": 0, "grace_days": 14,
        "consequence": "generation stops until the terms are accepted; the grace runs for who had "
        "accepted the version before",
        "next_step": "An owner accepts the licence and the policy for the organization on the "
        "attestation page.",
        "door": "hard", "since": "",
    },
]  # fmt: skip


def version_sha256(rules: list[dict[str, Any]], document_hashes: list[str]) -> str:
    """The hash of a terms version: its rules and its documents' hashes in order."""
    return fingerprint({"rules": rules, "documents": document_hashes})
