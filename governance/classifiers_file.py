"""The file that LICET_CLASSIFIERS names: what further classifiers of the gate need, by name."""

import json
from pathlib import Path
from typing import Any

#: What may be set up; "paths" adds classifiers of the operator's own by dotted path.
ADAPTERS = (
    "openai-moderation",
    "azure-content-safety",
    "hive-visual",
    "transformers-nudity",
    "open-clip-concepts",
    "nudenet",
    "paths",
)


def read_classifiers(path: Path | None) -> dict[str, Any]:
    """What the file says, by classifier; nothing without a file.

    Raises OSError, and ValueError for a file that is no JSON object or names a classifier that has no
    adapter.
    """
    if path is None:
        return {}
    found = json.loads(path.read_text())
    unknown = sorted(set(found) - set(ADAPTERS)) if isinstance(found, dict) else ["no object"]
    if unknown:
        raise ValueError(f"{path.name}: {', '.join(unknown)}; known are {', '.join(ADAPTERS)}")
    return dict(found)
