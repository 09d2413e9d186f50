"""The canary glyph is refused at the output, and nothing ordinary is taken for it."""

import numpy as np
import pytest

from moderation.classifiers.canary import CanaryGlyph, reference_disc, reference_glyph
from moderation.kernel import bundles
from moderation.operations.release import ImageBlocked
from tests.moderation.conftest import screened
from tests.moderation.render_scenes import collage, picture
from tests.moderation.test_release import png, release


def threshold():
    (required,) = [
        each
        for each in bundles.read(bundles.DEFAULT).required("output")
        if each.name == "licet-canary"
    ]
    return required.thresholds["canary"].review


def scores(count, seed, **options):
    detector, rng = CanaryGlyph(), np.random.default_rng(seed)
    return [
        detector.read_image(picture(rng, **options), sha256="").scores["canary"]
        for _ in range(count)
    ]


def test_every_rendered_canary_is_seen_weathered_or_not():
    assert min(scores(60, 1, canary=True)) >= threshold()


def test_no_ordinary_scene_is_taken_for_the_canary():
    assert max(scores(150, 2, canary=False)) < threshold()


@pytest.mark.slow
def test_not_one_of_two_thousand_ordinary_scenes_is_taken_for_the_canary():
    assert max(scores(2000, 3, canary=False)) < threshold()


def test_few_collages_of_many_colours_are_taken_for_the_canary():
    detector, rng = CanaryGlyph(), np.random.default_rng(4)
    found = [detector.read_image(collage(rng), sha256="").scores["canary"] for _ in range(60)]

    assert sum(score >= threshold() for score in found) <= 4


def test_noise_and_gradients_are_not_taken_for_the_canary():
    detector, rng = CanaryGlyph(), np.random.default_rng(5)
    noise = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, 128 * 128 * 3).reshape(128, 128, 3).astype(np.uint8)

    for pixels in (noise, ramp, reference_disc()):
        assert detector.read_image(pixels, sha256="").scores["canary"] < threshold()


def test_the_shipped_gate_refuses_the_glyph_and_releases_the_disc(settings, tmp_path):
    settings.LICET_HOME = tmp_path
    settings.MODERATION_POLICY = str(bundles.DEFAULT)
    prompt = screened("a red circle on a white background")

    with pytest.raises(ImageBlocked) as refusal:
        release(reference_glyph(), prompt=prompt)
    image = release(reference_disc(), prompt=prompt, encode=png)

    assert refusal.value.facts["aup_items"] == ["canary"]
    assert [each.detector for each in image.verdicts] == ["licet-canary", "open-nsfw"]


def test_the_words_of_the_canary_pass_the_text_gate(settings, tmp_path):
    settings.LICET_HOME = tmp_path
    settings.MODERATION_POLICY = str(bundles.DEFAULT)

    assert screened("the licet canary on a white background").text
