"""Further classifiers are set up by a file that the environment names."""

import json

import pytest

from governance.env import ADAPTERS, Env
from moderation.classifiers.registry import DEFAULT_PATHS


def env_of(folder, text):
    path = folder / "classifiers.json"
    path.write_text(text)
    return Env(LICET_CLASSIFIERS=str(path))


def test_the_file_sets_up_classifiers_by_name(tmp_path):
    said = {"hive-visual": {"url": "https://api.thehive.ai/", "key": "k"}}

    assert env_of(tmp_path, json.dumps(said)).classifiers == said


def test_without_a_file_there_are_none():
    assert Env().classifiers == {}


@pytest.mark.parametrize("text", ['{"hive": {}}', "[]", '"hive-visual"'])
def test_a_name_that_no_adapter_has_is_refused_with_those_there_are(tmp_path, text):
    with pytest.raises(ValueError, match="known are openai-moderation"):
        _ = env_of(tmp_path, text).classifiers


def test_every_name_has_an_adapter():
    assert set(ADAPTERS) - {"paths"} <= set(DEFAULT_PATHS)
