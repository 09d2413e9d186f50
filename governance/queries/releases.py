"""Reading the registry of model releases."""

from uuid import UUID

from governance.models import ModelRelease, ReleaseStatus


def active_releases() -> list[ModelRelease]:
    """Releases that may start jobs, oldest first: the first turbo is the deployment's default."""
    return list(ModelRelease.objects.filter(status=ReleaseStatus.ACTIVE).order_by("created_at"))


def default_release_slug() -> str:
    """The release for requests that name none: the oldest active turbo; raw is opt-in by name."""
    turbo = [release for release in active_releases() if release.variant == "turbo"]
    return turbo[0].slug if turbo else ""


def active_release_ids(slug: str, *, weights_sha256: str = "") -> list[UUID]:
    """The active release of this name: one, or none.

    ``weights_sha256``: what the asker holds; a release on record with other files does not count.
    """
    found = ModelRelease.objects.filter(slug=slug, status=ReleaseStatus.ACTIVE)
    if weights_sha256:
        found = found.filter(weights_sha256__in=["", weights_sha256])
    return list(found.values_list("id", flat=True))


def is_revoked(slug: str) -> bool:
    """Whether the release of this name was revoked; False for one that is not on record."""
    return ModelRelease.objects.filter(slug=slug, status=ReleaseStatus.REVOKED).exists()


def sha256_is_registered(weights_sha256: str) -> bool:
    """Whether an active release has exactly these files."""
    return ModelRelease.objects.filter(
        status=ReleaseStatus.ACTIVE, weights_sha256=weights_sha256
    ).exists()
