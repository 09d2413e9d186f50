"""Which class stands behind each classifier that a policy names, by dotted path."""

import threading
from functools import cache
from importlib import import_module

from django.conf import settings

from moderation.classifiers.protocols import (
    Classifier,
    ClassifierBroken,
    ImageClassifier,
    TextClassifier,
)
from moderation.kernel.bundles import Required

DEFAULT_PATHS = {
    "licet-text-gate": "moderation.classifiers.prompts.PromptGate",
    "open-nsfw": "moderation.classifiers.open_nsfw.OpenNsfw",
    "licet-canary": "moderation.classifiers.canary.CanaryGlyph",
    # Not required by the shipped policy; a policy that names one pins it like the others.
    "licet-ocr": "moderation.classifiers.ocr.TextInPictures",
    "nudenet": "moderation.classifiers.local_models.NudeNetProcess",
    "transformers-nudity": "moderation.classifiers.local_models.TransformersNudity",
    "open-clip-concepts": "moderation.classifiers.local_models.OpenClipConcepts",
    "openai-moderation": "moderation.classifiers.remote.OpenAiModeration",
    "azure-content-safety": "moderation.classifiers.remote.AzureContentSafety",
    "hive-visual": "moderation.classifiers.remote.Hive",
}
_loading = threading.Lock()


def load(required: Required) -> Classifier:
    """The classifier that ``required`` pins, loaded once per process.

    Raises ClassifierBroken when there is none of that name, or its version or weights are others.
    """
    classifier = unpinned(required.name)
    check_pins(classifier, required)
    return classifier


def unpinned(name: str) -> Classifier:
    """The classifier of that name, whatever its version: for sealing a policy, never for judging.

    Raises ClassifierBroken.
    """
    paths: dict[str, str] = {**DEFAULT_PATHS, **getattr(settings, "MODERATION_CLASSIFIERS", {})}
    path = paths.get(name)
    if path is None:
        raise ClassifierBroken(f"no classifier {name} is configured here")
    with _loading:
        return _instance(path)


def check_pins(classifier: Classifier, required: Required) -> None:
    """Raises ClassifierBroken unless the name, version and weights are those of the policy."""
    for field in ("name", "version", "weights_sha256"):
        found, wanted = getattr(classifier, field, None), getattr(required, field)
        if found != wanted:
            raise ClassifierBroken(
                f"classifier {required.name}: the policy pins {field} {wanted}, here is {found}"
            )


def load_text(required: Required) -> TextClassifier:
    """``load`` for a classifier of text. Raises ClassifierBroken when it cannot read text."""
    classifier = load(required)
    if not isinstance(classifier, TextClassifier):
        raise ClassifierBroken(f"classifier {required.name} cannot read text")
    return classifier


def load_image(required: Required) -> ImageClassifier:
    """``load`` for a classifier of images. Raises ClassifierBroken when it cannot read images."""
    classifier = load(required)
    if not isinstance(classifier, ImageClassifier):
        raise ClassifierBroken(f"classifier {required.name} cannot read images")
    return classifier


def forget() -> None:
    """Loads every classifier anew at its next use: after its weights or settings changed."""
    _instance.cache_clear()


@cache
def _instance(path: str) -> Classifier:
    module, _, name = path.rpartition(".")
    try:
        made: Classifier = getattr(import_module(module), name)()
    except Exception as failure:
        raise ClassifierBroken(f"{path} cannot be loaded: {failure!r}") from failure
    return made
