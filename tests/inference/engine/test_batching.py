"""What is drawn together."""

import uuid
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from inference.engine.batching import Shelf  # noqa: E402
from inference.engine.jobs import Job  # noqa: E402
from inference.engine.protocol import GenerateCommand  # noqa: E402
from inference.engine.text import Text  # noqa: E402

pytestmark = pytest.mark.engine


def ignore(kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
    """An outbox that nobody reads."""


def job(*, images: int = 1, side: int = 64, text: int = 6, **fields: Any) -> Job:
    command = GenerateCommand(
        job_id=str(uuid.uuid4()), attempt=1, prompt="a circle", prompt_receipt={}, width=side,
        height=side, steps=4, guidance=0.0, seed=1, images=images, output_format="png", **fields,
    )  # fmt: skip
    made = Job(command, ignore)
    made._text = Text(torch.zeros(1, text, 4), text - 5)
    return made


def shelf(*jobs: Job, tokens: int) -> Shelf:
    filled = Shelf(tokens=tokens, image_tokens=lambda width, height: width * height // 256)
    for each in jobs:
        filled.put(each)
    filled.close()
    return filled


def batches(of: Shelf) -> list[list[tuple[Job, int, int]]]:
    found = []
    while (parts := of.take()) is not None:
        found.append([(part.job, part.first, part.count) for part in parts])
    return found


class TestShelf:
    def test_draws_equal_jobs_together(self) -> None:
        first, second = job(), job()

        assert batches(shelf(first, second, tokens=1000)) == [[(first, 0, 1), (second, 0, 1)]]

    def test_draws_a_job_of_many_images_in_as_many_batches_as_the_budget_needs(self) -> None:
        many = job(images=5)  # 16 image tokens and 6 text tokens each

        assert batches(shelf(many, tokens=44)) == [[(many, 0, 2)], [(many, 2, 2)], [(many, 4, 1)]]

    def test_fills_the_room_that_a_job_leaves_with_the_next_one(self) -> None:
        many, small = job(images=3), job()

        assert batches(shelf(many, small, tokens=44)) == [
            [(many, 0, 2)],
            [(many, 2, 1), (small, 0, 1)],
        ]

    def test_draws_a_picture_larger_than_the_budget_by_itself(self) -> None:
        large = job(images=2, side=256)

        assert batches(shelf(large, tokens=100)) == [[(large, 0, 1)], [(large, 1, 1)]]

    def test_keeps_sizes_apart_and_the_oldest_first(self) -> None:
        small, large, again = job(), job(side=128), job()

        assert batches(shelf(small, large, again, tokens=1000)) == [
            [(small, 0, 1), (again, 0, 1)],
            [(large, 0, 1)],
        ]

    def test_draws_a_job_that_wants_to_be_alone_alone(self) -> None:
        first, alone = job(), job(alone=True)

        assert batches(shelf(first, alone, tokens=1000)) == [[(first, 0, 1)], [(alone, 0, 1)]]

    def test_mixes_texts_of_different_length_in_small_pictures_only(self) -> None:
        small = [job(text=6), job(text=9)]
        large = [job(text=6, side=1024), job(text=9, side=1024)]

        assert len(batches(shelf(*small, tokens=9000))) == 1
        assert len(batches(shelf(*large, tokens=9000))) == 2
