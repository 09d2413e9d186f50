"""Reading the registry of model releases."""

from governance.models import ModelRelease, ReleaseStatus


def active_releases() -> list[ModelRelease]:
    """Releases that may start jobs, oldest first: the first turbo is the deployment's default."""
    return list(ModelRelease.objects.filter(status=ReleaseStatus.ACTIVE).order_by("created_at"))


def default_release_slug() -> str:
    """The release for requests that name none: the oldest active turbo, else the oldest active."""
    releases = active_releases()
    turbo = [release for release in releases if release.variant == "turbo"]
    return next((release.slug for release in [*turbo, *releases]), "")
