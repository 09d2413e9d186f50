"""Reading the registry of model releases."""

from uuid import UUID

from governance.models import ModelRelease, ReleaseStatus


def active_releases() -> list[ModelRelease]:
    """Releases that may start jobs, oldest first: the first turbo is the deployment's default."""
    return list(ModelRelease.objects.filter(status=ReleaseStatus.ACTIVE).order_by("created_at"))


def default_release_slug() -> str:
    """The release for requests that name none: the oldest active turbo, else the oldest active."""
    releases = active_releases()
    turbo = [release for release in releases if release.variant == "turbo"]
    return next((release.slug for release in [*turbo, *releases]), "")


def active_release_ids(slug: str) -> list[UUID]:
    """The active release of this name: one, or none."""
    return list(
        ModelRelease.objects.filter(slug=slug, status=ReleaseStatus.ACTIVE).values_list(
            "id", flat=True
        )
    )


def is_revoked(slug: str) -> bool:
    """Whether the release of this name was revoked; False for one that is not on record."""
    return ModelRelease.objects.filter(slug=slug, status=ReleaseStatus.REVOKED).exists()
