"""Evasion suite on held-out labelled prompts, and the ledger: the model card says what was measured.

The labelled prompts are not in the repository: they are read from LICET_EVALSETS or
../shared/data/moderation, and the tests that need them say so when they are absent.
"""

import json
import os
import re
from pathlib import Path

import pytest

from moderation.classifiers.text.gate import TextGate
from moderation.classifiers.text.weights import FOLDER, read_json
from moderation.training.text_rows import ORDINARY, read_rows
from tests.moderation.evasions import EVASIONS

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("LICET_EVALSETS", ROOT.parent / "shared" / "data" / "moderation"))
HELD_OUT = frozenset((ROOT / "moderation" / "training" / "held_out_ids.txt").read_text().split())
CARD = ROOT / "docs" / "model-card-text-gate.md"
GATE = TextGate.load()

needs_data = pytest.mark.skipif(
    not (DATA / "prompts-dev.jsonl.gz").exists(),
    reason=f"no labelled prompts at {DATA}: set LICET_EVALSETS to their folder",
)


@pytest.fixture(scope="module")
def held_out():
    return [row for row in read_rows(DATA) if row.id in HELD_OUT]


@pytest.fixture(scope="module")
def caught(held_out):
    """Held-out unsafe prompts that are held when written plainly, and how many there were."""
    unsafe = [row.text for row in held_out if row.source == "overt" and row.unsafe][:20]
    return [text for text in unsafe if GATE.classify(text).outcome != "allow"], len(unsafe)


@needs_data
@pytest.mark.parametrize("name", EVASIONS)
def test_hiding_a_prompt_loses_at_most_five_points_of_recall(name, caught):
    texts, total = caught

    still = sum(GATE.classify(EVASIONS[name](text)).outcome != "allow" for text in texts)

    assert (len(texts) - still) / total <= 0.05


@needs_data
def test_ordinary_held_out_prompts_pass(held_out):
    ordinary = [row.text for row in held_out if row.source in ORDINARY][:250]

    found = [GATE.classify(text) for text in ordinary]

    assert sum(answer.outcome == "block" for answer in found) <= 0.005 * len(found)
    assert sum(answer.outcome == "review" for answer in found) <= 0.02 * len(found)
    assert sum(answer.language != "en" for answer in found) < 0.005 * len(found)


@needs_data
def test_no_held_out_text_lies_in_the_repository(held_out):
    shipped = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "moderation" / "training").iterdir()
        if path.suffix in {".py", ".json", ".txt"}
    )

    assert not any(row.text in shipped for row in held_out if len(row.text) > 30)


def test_the_figures_belong_to_the_shipped_weights():
    assert read_json(FOLDER, "metrics.json")["weights_sha256"] == GATE.weights_sha256


def test_the_model_card_holds_the_measured_figures():
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    card = CARD.read_text(encoding="utf-8")
    lines = {
        match.group(1): [cell.strip() for cell in match.group(2).split("|")]
        for match in re.finditer(r"^\| `([\w-]+)` \|(.+)\|$", card, re.MULTILINE)
    }

    assert set(lines) == set(metrics["sources"])
    for source, figures in metrics["sources"].items():
        keys = ("rows", "unsafe", "auroc", "auprc", "recall_at_1_percent_fpr",
                "recall_at_5_percent_fpr", "safe_blocked", "safe_reviewed", "unsafe_held",
                "pairs_won")  # fmt: skip
        wanted = ["-" if figures[key] is None else _cell(figures[key]) for key in keys]
        assert lines[source] == wanted, source


def _cell(value):
    return str(value) if isinstance(value, int) else f"{value:.3f}"
