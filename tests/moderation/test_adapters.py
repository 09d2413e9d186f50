"""Every adapter keeps the same contract: labels of the policy, shares from 0 to 1, or an exception."""

import json
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from governance.kernel.ids import uuid7
from moderation.classifiers import nudenet_process
from moderation.classifiers.canary import CanaryGlyph, reference_disc, reference_glyph
from moderation.classifiers.local_models import NudeNetProcess, OpenClipConcepts, TransformersNudity
from moderation.classifiers.ocr import TextInPictures
from moderation.classifiers.open_nsfw import OpenNsfw
from moderation.classifiers.protocols import ClassifierBroken, ImageClassifier, TextClassifier
from moderation.classifiers.remote import (
    AzureContentSafety,
    Hive,
    OpenAiModeration,
    over_https,
)
from moderation.kernel.verdicts import check_reading

REPLIES = Path(__file__).parent / "replies"
REMOTE = [OpenAiModeration, AzureContentSafety, Hive]
HIGHEST = {"openai-moderation": 0.8599, "azure-content-safety": 4 / 6, "hive-visual": 0.71}
SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    boxes = [{"class": "FACE_FEMALE", "score": 0.9}, {"class": "BUTTOCKS_EXPOSED", "score": 0.4}]
    print(json.dumps({"id": asked["id"] + SHIFT, "boxes": boxes}), flush=True)
"""


@pytest.fixture
def remote(settings):
    """Makes a remote adapter that hears ``reply`` instead of the service."""

    def make(adapter, reply=None):
        setattr(settings, adapter.setting, {"url": "https://service.invalid/", "key": "k"})
        sent = []
        answer = reply if reply is not None else recorded(adapter)

        def transport(request, timeout):
            sent.append(request)
            return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        made = adapter(transport)
        made.sent = sent
        return made

    return make


def recorded(adapter):
    return json.loads((REPLIES / f"{adapter.name}.json").read_text())


def keeps_the_contract(classifier):
    assert isinstance(classifier, ImageClassifier)
    assert len(classifier.weights_sha256) == 64
    assert classifier.name
    assert classifier.version
    digest = uuid7().hex
    reading = classifier.read_image(reference_disc(), sha256=digest)
    check_reading(reading, subject_sha256=digest, labels=tuple(reading.scores))
    return reading


@pytest.mark.parametrize("adapter", REMOTE, ids=lambda each: each.name)
class TestARemoteClassifier:
    def test_keeps_the_contract_and_takes_the_highest_category(self, remote, adapter):
        reading = keeps_the_contract(remote(adapter))

        assert set(reading.scores) == set(adapter.map_labels)
        assert reading.scores["violence"] == pytest.approx(HIGHEST[adapter.name], abs=1e-3)

    def test_sends_the_picture_and_the_key_by_post(self, remote, adapter):
        made = remote(adapter)
        made.read_image(reference_disc(), sha256="")

        (request,) = made.sent
        assert request.get_method() == "POST"
        assert any("k" in value for value in request.headers.values())
        assert len(request.data) > 1000

    @pytest.mark.parametrize("reply", [b"", b"<html>", {}, [], {"results": []}, {"status": []}])
    def test_raises_for_what_is_no_answer(self, remote, adapter, reply):
        with pytest.raises((KeyError, ValueError, TypeError)):
            remote(adapter, reply).read_image(reference_disc(), sha256="")

    def test_raises_where_a_category_is_missing(self, remote, adapter):
        text = json.dumps(recorded(adapter))
        changed = (
            text.replace('"sexual"', '"s"').replace("Sexual", "S").replace("general_nsfw", "g")
        )

        with pytest.raises(KeyError):
            remote(adapter, json.loads(changed)).read_image(reference_disc(), sha256="")

    def test_is_not_ready_where_the_service_objects_to_a_gray_picture(self, remote, adapter):
        with pytest.raises(ClassifierBroken, match="gray"):
            remote(adapter).self_test()

    def test_needs_its_setting(self, settings, adapter):
        setattr(settings, adapter.setting, {})

        with pytest.raises(ClassifierBroken, match=adapter.setting):
            adapter()

    def test_carries_a_refused_connection_to_the_gate(self, settings, adapter):
        setattr(settings, adapter.setting, {"url": "https://127.0.0.1:9/", "key": "k"})

        with pytest.raises(urllib.error.URLError):
            adapter(over_https).read_image(reference_disc(), sha256="")

    def test_is_asked_over_https_only(self, settings, adapter):
        setattr(settings, adapter.setting, {"url": "http://127.0.0.1:9/", "key": "k"})

        with pytest.raises(ClassifierBroken, match="https"):
            adapter(over_https).read_image(reference_disc(), sha256="")


def test_openai_reads_text_too(remote):
    made = remote(OpenAiModeration)

    assert isinstance(made, TextClassifier)
    assert made.read_text("a red circle", sha256="x").scores["violence"] > 0.8


@pytest.mark.parametrize("classifier", [OpenNsfw, CanaryGlyph], ids=lambda each: each.name)
def test_the_shipped_classifiers_keep_the_contract(classifier):
    made = classifier()

    keeps_the_contract(made)
    assert made.self_test()


def test_the_canary_is_seen_small_large_wide_and_tall():
    detector = CanaryGlyph()
    for side in (96, 256, 1024):
        score = detector.read_image(reference_glyph(side), sha256="").scores["canary"]
        assert score > 0.9
    wide = np.concatenate([reference_disc(), reference_glyph()], axis=1)
    assert detector.read_image(wide, sha256="").scores["canary"] > 0.9


def test_nudenet_answers_from_a_process_of_its_own(settings, tmp_path):
    server = tmp_path / "server.py"
    server.write_text(SERVER.replace("SHIFT", "0"))
    settings.MODERATION_NUDENET = {"command": [sys.executable, str(server)], "version": "3.4.2"}
    made = NudeNetProcess()

    assert keeps_the_contract(made).scores == {"nudity": 0.4}
    assert made.self_test()
    stop(made)


def test_nudenet_that_answers_another_question_raises(settings, tmp_path):
    server = tmp_path / "server.py"
    server.write_text(SERVER.replace("SHIFT", "1"))
    settings.MODERATION_NUDENET = {"command": [sys.executable, str(server)]}
    made = NudeNetProcess()

    with pytest.raises(ClassifierBroken, match="another question"):
        made.read_image(reference_disc(), sha256="")
    stop(made)


DETECTOR = """
class NudeDetector:
    def detect(self, jpeg):
        print("a line that is no answer")
        assert jpeg[:2] == bytes([255, 216])
        return [{"class": "MALE_GENITALIA_EXPOSED", "score": 0.75, "box": [0, 0, 8, 8]}]
"""


def test_the_program_on_the_far_side_of_nudenet_speaks_the_same_lines(settings, tmp_path):
    (tmp_path / "nudenet.py").write_text(DETECTOR)
    program = Path(nudenet_process.__file__)
    settings.MODERATION_NUDENET = {
        "command": ["/usr/bin/env", f"PYTHONPATH={tmp_path}", sys.executable, str(program)]
    }
    made = NudeNetProcess()

    assert keeps_the_contract(made).scores == {"nudity": 0.75}
    stop(made)


def stop(made):
    made._process.stdin.close()
    made._process.wait(10)
    made._process.stdout.close()


def test_text_in_a_picture_goes_through_the_text_gate():
    lines = []
    made = TextInPictures(reader=lambda _pixels: lines)

    assert max(keeps_the_contract(made).scores.values()) == 0
    lines.append("happy birthday grandmother")
    assert keeps_the_contract(made).outcome == "allow"
    assert made.read_image(reference_disc(), sha256="").facts["letters"] == 26


def test_ocr_without_its_extra_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)

    with pytest.raises(ClassifierBroken, match="extra ocr"):
        TextInPictures()


def poster(text, side=768):
    """A plain picture with ``text`` written across it."""
    image = Image.new("RGB", (side, side), (205, 222, 240))
    draw = ImageDraw.Draw(image)
    draw.multiline_text((40, side // 3), text, fill=(10, 10, 10), font=ImageFont.load_default(40))
    return np.asarray(image)


@pytest.mark.timeout(300)
def test_what_is_really_written_in_a_picture_is_read_and_judged():
    made = TextInPictures()

    harmless = made.read_image(poster("fresh bread and cakes"), sha256="")
    hateful = made.read_image(poster("immigrants are vermin\nand should be shot"), sha256="")

    assert made.self_test()
    assert (harmless.outcome, harmless.facts["letters"]) == ("allow", 21)
    assert hateful.outcome == "block"
    assert hateful.item == "7"
    assert max(hateful.scores.values()) > max(harmless.scores.values())


@pytest.mark.engine
def test_open_clip_loads_weights_from_a_folder(settings, tmp_path):
    open_clip = pytest.importorskip("open_clip", reason="the extra clip is not installed here")
    save_file = pytest.importorskip("safetensors.torch").save_file
    state = open_clip.create_model("ViT-S-32-alt").state_dict()
    save_file(
        {key: value.contiguous() for key, value in state.items()}, tmp_path / "model.safetensors"
    )
    settings.MODERATION_OPEN_CLIP = {
        "architecture": "ViT-S-32-alt",
        "folder": str(tmp_path),
        "concepts": {"weapon": "a photo of a gun", "gore": "a bloody corpse"},
        "against": ["a photo of a cat", "a landscape"],
    }

    made = OpenClipConcepts()

    assert set(keeps_the_contract(made).scores) == {"weapon", "gore"}
    assert made.self_test()


@pytest.mark.engine
def test_a_transformers_model_is_loaded_from_a_folder(settings, tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    settings.MODERATION_TRANSFORMERS = {"folder": str(tmp_path), "unsafe": ["nsfw"]}

    made = TransformersNudity()

    assert 0 < keeps_the_contract(made).scores["nudity"] < 1
    assert made.self_test()
