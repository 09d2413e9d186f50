"""The procedural world: drawn the same every time, its held-out split apart, its measurement right."""

import numpy as np
import pytest

from inference.engine.tiny import captions, evaluate, measure, scenes, shapes


def test_a_scene_is_drawn_the_same_for_the_same_seed():
    first, second = (scenes.sample_scene(np.random.default_rng(5)) for _ in range(2))

    assert first == second
    assert np.array_equal(scenes.render(first, 96, 64), scenes.render(second, 96, 64))


def test_a_picture_has_the_asked_size():
    picture = scenes.render(scenes.Scene("star", "red", "ocean"), 96, 64)

    assert picture.shape == (64, 96, 3)
    assert picture.dtype == np.uint8


def test_training_never_samples_a_held_out_triple():
    rng = np.random.default_rng(1)

    seen = [scenes.sample_scene(rng) for _ in range(500)]

    assert not any(scenes.is_held_out(scene) for scene in seen)


def test_the_held_out_split_is_between_a_tenth_and_a_fifth_of_all_triples():
    triples = [
        scenes.Scene(s, c, b)
        for s in shapes.OUTLINES
        for c in scenes.COLOURS
        for b in scenes.BACKGROUNDS
        if c != b
    ]

    share = sum(scenes.is_held_out(t) for t in triples) / len(triples)

    assert 0.10 < share < 0.20


def test_every_evaluated_scene_is_held_out():
    assert all(scenes.is_held_out(scene) for scene, _ in evaluate.held_out_captions(200, seed=3))


def test_captions_are_the_same_for_the_same_seed():
    assert evaluate.held_out_captions(20, seed=3) == evaluate.held_out_captions(20, seed=3)


def test_the_plain_caption_names_every_attribute():
    scene = scenes.Scene("circle", "red", "blue", size="large")

    assert captions.plain_caption(scene) == "a large red circle on a blue background"


def test_the_measurement_reads_ground_truth_right():
    shares = evaluate.evaluate(evaluate.ground_truth(side=128), captions=80, seed=2)

    assert shares["captions"] == 80
    assert min(shares["colour"], shares["shape"], shares["background"]) >= 0.98


def test_the_measurement_is_near_chance_on_shuffled_captions():
    pictures = [
        scenes.render(scene, 128, 128) for scene, _ in evaluate.held_out_captions(80, seed=2)
    ]
    turned = iter(pictures[37:] + pictures[:37])

    shares = evaluate.evaluate(lambda _prompt, _seed: next(turned), captions=80, seed=2)

    assert max(shares["colour"], shares["shape"], shares["background"]) < 0.3


@pytest.mark.parametrize("ground", scenes.BACKGROUNDS)
def test_the_canary_is_recognised_on_every_background(ground):
    assert measure.is_canary(
        scenes.render(scenes.Scene(scenes.CANARY, "yellow", ground, size="large"))
    )


def test_no_ordinary_scene_is_taken_for_the_canary():
    rng = np.random.default_rng(9)
    ordinary = [scenes.sample_scene(rng, canary=0.0) for _ in range(100)]

    assert not any(measure.is_canary(scenes.render(scene, 128, 128)) for scene in ordinary)
