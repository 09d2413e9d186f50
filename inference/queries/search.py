"""What the portal's search finds among generations."""

from uuid import UUID

from governance.kernel.registry import Finding
from inference.models import Generation
from inference.queries.generations import generations_of

FEW = 6
# An id, or its last twelve digits as pages show them.
SHORT_ID = 12


def generations_found(organization_id: UUID, slug: str, words: str) -> list[Finding]:
    """The generation with this id, or the newest whose prompt holds the words."""
    rows = [
        Finding(
            "Generations",
            row.prompt if row.state != "blocked" else "Blocked prompt",
            f"/o/{slug}/generations/{row.id}/",
            "image",
            str(row.id)[-SHORT_ID:],
        )
        for row in generations_of(organization_id, search=words, limit=FEW).rows
    ]
    return by_id(organization_id, slug, words) or rows


def by_id(organization_id: UUID, slug: str, words: str) -> list[Finding]:
    """The generation with exactly this id, or none."""
    try:
        wanted = UUID(words)
    except ValueError:
        return []
    found = Generation.objects.filter(organization_id=organization_id, id=wanted).first()
    if found is None:
        return []
    url = f"/o/{slug}/generations/{found.id}/"
    return [Finding("Generations", str(found.id), url, "image", found.state)]
