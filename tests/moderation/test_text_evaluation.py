"""Figures of a gate: ranking measures against their definitions, shares, pairs, the two commands."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from moderation.classifiers.text.evaluation import (
    Judged,
    LabelUnknown,
    auprc,
    auroc,
    evaluate,
    figures_of,
    recall_at,
    unsafe_of,
)

RANKED = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=2,
    max_size=60,
)


def judged(text, unsafe, score, outcome="allow", **more):
    return Judged(
        text=text, unsafe=unsafe, source=more.pop("source", "set"), category=more.pop("category", ""),
        score=score, outcome=outcome, **more,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(RANKED)
def test_ranking_figures_equal_the_reference(pairs):
    labels, scores = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    if len(set(labels)) == 2:
        assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
        assert auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    else:
        assert auroc(labels, scores) is None


@settings(max_examples=60, deadline=None)
@given(RANKED, st.sampled_from([0.01, 0.05, 0.2]))
def test_recall_is_taken_where_few_enough_safe_rows_pass(pairs, rate):
    labels, scores = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    recall = recall_at(labels, scores, rate)
    if recall is None:
        return

    passing = [s for label, s in pairs if label]
    chosen = sorted(passing, reverse=True)[: round(recall * len(passing))]

    if chosen:
        false = sum(not label and s >= chosen[-1] for label, s in pairs)
        assert false <= rate * labels.count(False)


def test_shares_are_taken_within_safe_and_unsafe_rows():
    rows = [
        judged("a", False, 0.1), judged("b", False, 0.4, "review"), judged("c", True, 0.9, "block"),
        judged("d", True, 0.5, "review"), judged("e", True, 0.1),
    ]  # fmt: skip

    found = figures_of(rows)

    assert found["safe_reviewed"] == 0.5
    assert found["safe_blocked"] == 0.0
    assert found["unsafe_held"] == pytest.approx(2 / 3)


def test_an_unsafe_row_is_compared_with_its_twin():
    rows = [
        judged("A calm one", False, 0.2),
        judged("worse", True, 0.6, twin="a calm one "),
        judged("hidden", True, 0.1, twin="A calm one"),
        judged("alone", True, 0.1, twin="not here"),
    ]

    found = figures_of(rows)

    assert (found["pairs"], found["pairs_won"]) == (2, 0.5)


def test_a_category_of_unsafe_rows_is_ranked_against_its_source():
    rows = [
        judged("a", False, 0.1),
        judged("b", True, 0.9, category="x"),
        judged("c", True, 0.05, category="y"),
    ]

    found = evaluate(rows)["categories"]

    assert found["set/x"]["auroc"] == 1.0
    assert found["set/y"]["auroc"] == 0.0


def test_labels_are_words_or_numbers_and_nothing_else():
    assert unsafe_of("UNSAFE")
    assert unsafe_of(1)
    assert not unsafe_of("safe")
    assert not unsafe_of(False)
    with pytest.raises(LabelUnknown):
        unsafe_of("maybe")


def test_screen_prompts_answers_every_line_in_order(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [
        {"id": "p1", "text": "a red bicycle"},
        {"id": "p2", "text": "deepfake porn of a celebrity"},
    ]
    source.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")

    call_command("screen_prompts", input=str(source), output=str(target))

    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in found] == ["p1", "p2"]
    assert [row["outcome"] for row in found] == ["allow", "block"]
    assert found[1]["item"] == "2"
    assert found[1]["score"] == max(found[1]["scores"].values())


def test_screen_prompts_names_the_line_that_is_wrong(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "fine"}\n{"id": 2}\n')

    with pytest.raises(CommandError, match="line 2"):
        call_command("screen_prompts", input=str(source), output=str(tmp_path / "out.jsonl"))


def test_evaluate_gate_prints_figures_per_source_and_category(tmp_path):
    source, printed = tmp_path / "in.jsonl", io.StringIO()
    lines = [
        {"id": 1, "text": "a red bicycle", "label": "safe", "source": "s", "category": "calm"},
        {"id": 2, "text": "deepfake porn of a celebrity", "label": "unsafe", "source": "s",
         "category": "ncii", "twin": "a red bicycle"},
    ]  # fmt: skip
    source.write_text("\n".join(json.dumps(line) for line in lines))

    call_command("evaluate_gate", input=str(source), json=True, stdout=printed)

    found = json.loads(printed.getvalue())
    assert found["sources"]["s"]["auroc"] == 1.0
    assert found["sources"]["s"]["pairs_won"] == 1.0
    assert found["categories"]["s/ncii"]["unsafe_blocked"] == 1.0
    assert len(found["gate"]["weights_sha256"]) == 64
