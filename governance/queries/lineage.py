"""What derives from what: adapters and repacks of a release, and theirs."""

from governance.models import ModelRelease


def descendants(release: ModelRelease) -> list[ModelRelease]:
    """Everything that derives from ``release``, nearest first; a cycle ends where it began."""
    found: list[ModelRelease] = []
    seen = {release.id}
    layer = [release.id]
    while layer:
        children = list(ModelRelease.objects.filter(parent_id__in=layer).exclude(id__in=seen))
        found += children
        layer = [child.id for child in children]
        seen.update(layer)
    return found


def ancestors(release: ModelRelease) -> list[ModelRelease]:
    """What ``release`` derives from, nearest first."""
    found: list[ModelRelease] = []
    parent = release.parent
    while parent is not None and parent not in found:
        found.append(parent)
        parent = parent.parent
    return found
