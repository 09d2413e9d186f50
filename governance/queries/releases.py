"""Reading the registry of model releases."""

from governance.models import ModelRelease, ReleaseStatus


def active_releases() -> list[ModelRelease]:
    """Releases that may start jobs, oldest first: the first turbo is the deployment's default."""
    return list(ModelRelease.objects.filter(status=ReleaseStatus.ACTIVE).order_by("created_at"))
