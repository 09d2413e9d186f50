"""The engine's expander with a causal model of random weights: it adds, whatever it writes."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase  # noqa: E402

from inference.engine.expander import Expander, answer_expanded, first_line  # noqa: E402
from inference.engine.tiny import tokenizer as tiny_tokenizer  # noqa: E402

pytestmark = pytest.mark.engine
PROMPT = "a large red circle on a blue background"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model in transformers' layout, without a chat template."""
    place = tmp_path_factory.mktemp("expander")
    words: PreTrainedTokenizerBase = tiny_tokenizer.build()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            bos_token_id=None,
            eos_token_id=words.eos_token_id,
        )
    )
    model.save_pretrained(place)
    words.save_pretrained(place)
    return place


class Said:
    """What was sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
        self.frames.append((kind, header))


class TestExpander:
    def test_keeps_the_prompt_and_writes_the_same_again(self, folder: Path) -> None:
        expander = Expander(str(folder))

        first, second = expander.expanded(PROMPT), Expander(str(folder)).expanded(PROMPT)

        assert first.startswith(PROMPT)
        assert first != PROMPT
        assert first == second

    def test_asks_in_a_chat_where_the_model_has_a_template(self, folder: Path) -> None:
        expander = Expander(str(folder))
        words, _ = expander._model()
        words.chat_template = "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}"

        assert expander.expanded(PROMPT).startswith(PROMPT)

    def test_that_cannot_be_loaded_leaves_the_prompt_as_it_is(self, tmp_path: Path) -> None:
        said = Said()

        answer_expanded(Expander(str(tmp_path / "nothing")), said, "ticket", PROMPT)

        assert said.frames == [("expanded", {"ticket": "ticket", "text": PROMPT})]


def test_only_the_first_line_that_says_something_is_taken() -> None:
    assert first_line("\n  \nsoft light\nand more") == "soft light"
    assert first_line("\n") == ""
