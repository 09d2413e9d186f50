"""Further classifiers are set up by a file that the environment names."""

import json

import pytest

from governance.classifiers_file import ADAPTERS, read_classifiers
from moderation.classifiers.registry import DEFAULT_PATHS


def written(folder, text):
    path = folder / "classifiers.json"
    path.write_text(text)
    return path


def test_the_file_sets_up_classifiers_by_name(tmp_path):
    said = {"hive-visual": {"url": "https://api.thehive.ai/", "key": "k"}}

    assert read_classifiers(written(tmp_path, json.dumps(said))) == said


def test_without_a_file_there_are_none():
    assert read_classifiers(None) == {}


@pytest.mark.parametrize("text", ['{"hive": {}}', "[]", '"hive-visual"'])
def test_a_name_that_no_adapter_has_is_refused_with_those_there_are(tmp_path, text):
    with pytest.raises(ValueError, match="known are openai-moderation"):
        read_classifiers(written(tmp_path, text))


def test_every_name_has_an_adapter():
    assert set(ADAPTERS) - {"paths"} <= set(DEFAULT_PATHS)
