"""What an adapter says of itself: the words that its name, trigger and metadata hold, for the gate.

kohya's trainer writes tag frequencies, folder names and comments, the modelspec standard a title,
description, tags and a trigger phrase: what the adapter was made to draw stands there if anywhere.
"""

import json
from collections.abc import Iterator, Mapping

#: Characters that are kept: as many as the text gate reads.
MOST_CHARS = 10_000
PLAIN = (
    "modelspec.title",
    "modelspec.description",
    "modelspec.trigger_phrase",
    "modelspec.tags",
    "ss_output_name",
    "ss_training_comment",
    "title",
    "description",
    "trigger_words",
    "tags",
)
FOLDERS, TAGS = "ss_dataset_dirs", "ss_tag_frequency"


def words_of(name: str, trigger: str, metadata: Mapping[str, str]) -> str:
    """One text, the most telling first, at most MOST_CHARS. Metadata that is no JSON is read as it is."""
    said = [name, trigger, *(metadata[key] for key in PLAIN if key in metadata)]
    said += folders_in(metadata.get(FOLDERS, ""))
    said.append(", ".join(tags_in(metadata.get(TAGS, ""))))
    return ". ".join(part.replace("\0", " ").strip() for part in said if part.strip())[:MOST_CHARS]


def folders_in(value: str) -> list[str]:
    """Names of the training folders; kohya's number of repeats before a name goes (`10_cat`)."""
    found = parsed(value)
    names = list(found) if isinstance(found, dict) else [value]
    return [name.lstrip("0123456789").replace("_", " ") for name in names]


def tags_in(value: str) -> Iterator[str]:
    """Tags of all folders, the most frequent first."""
    found = parsed(value)
    if not isinstance(found, dict):
        yield value
        return
    counts: dict[str, float] = {}
    for folder in found.values():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            counts[str(tag)] = counts.get(str(tag), 0) + (count if is_number(count) else 0)
    yield from sorted(counts, key=lambda tag: (-counts[tag], tag))


def is_number(value: object) -> bool:
    """JSON's true is a number in Python and none here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parsed(value: str) -> object:
    """The JSON in ``value``; None where there is none."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
