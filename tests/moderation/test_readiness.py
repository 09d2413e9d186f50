"""The service is not ready while a required classifier fails."""

import json

import pytest

from governance.kernel.registry import health_checks
from moderation.classifiers import registry
from moderation.kernel import bundles
from moderation.operations import readiness
from moderation.operations.readiness import GateNotReady, probe, self_test
from tests.moderation import fakes


def test_the_shipped_gate_passes_its_own_canaries_at_both_stages(settings, tmp_path):
    settings.LICET_HOME = tmp_path
    settings.MODERATION_POLICY = str(bundles.DEFAULT)
    registry.forget()

    assert "licet-text-gate" in self_test("web")
    images = self_test("engine")
    assert "open-nsfw" in images
    assert "licet-canary" in images


@pytest.mark.parametrize("part", ["web", "engine"])
@pytest.mark.parametrize(
    "fault", [fakes.Raises, fakes.OtherVersion, fakes.OtherWeights], ids=lambda f: f.__name__
)
def test_a_faulty_required_classifier_is_named_in_one_sentence(gate, part, fault):
    gate.use(faulty=fault, input_names=("faulty",), output_names=("faulty",))

    with pytest.raises(GateNotReady, match="required classifier faulty 1 is not ready"):
        self_test(part)


def test_an_unreadable_policy_is_not_ready(gate, settings, tmp_path):
    settings.MODERATION_POLICY = str(tmp_path / "absent.json")

    with pytest.raises(GateNotReady, match="cannot be read"):
        self_test("web")


def test_a_success_is_remembered_only_under_the_same_policy(gate):
    assert "test/1" in probe("web")
    gate.use(faulty=fakes.Raises, input_names=("faulty",), version="test/2")

    with pytest.raises(GateNotReady):
        probe("web")


def test_a_failure_is_not_remembered(gate):
    gate.use(faulty=fakes.Raises, input_names=("faulty",))
    with pytest.raises(GateNotReady):
        probe("web")

    gate.use(faulty=fakes.Sound, input_names=("sound",))

    assert "sound" in probe("web")


def test_the_health_page_asks_the_gate(gate):
    gate.use(faulty=fakes.Raises, input_names=("faulty",))
    check = health_checks.items["gate"]

    assert check.required
    with pytest.raises(GateNotReady):
        check.probe()


def test_the_shipped_policy_pins_the_shipped_weights():
    bundle = bundles.read(bundles.DEFAULT)

    for stage in bundle.stages:
        for required in bundle.required(stage):
            registry.load(required)


def test_the_shipped_policy_has_all_nine_items_and_the_canary():
    items = json.loads(bundles.DEFAULT.read_text())["items"]

    assert set(items) == {*"123456789", "canary"}
    assert all(item["source"] for item in items.values())


def test_a_broken_classifier_fails_the_probe_within_its_limit(gate, monkeypatch):
    monkeypatch.setattr(readiness, "SELF_TEST_LIMIT_S", 0.1)

    class Slow(fakes.Sound):
        name = "faulty"

        def self_test(self):
            fakes.HANG.wait(5)
            return "late"

    monkeypatch.setattr(fakes, "Slow", Slow, raising=False)
    gate.settings.MODERATION_CLASSIFIERS = {"faulty": "tests.moderation.fakes.Slow"}
    path = gate.folder / "slow.json"
    path.write_text(json.dumps(fakes.document(input_names=("faulty",))))
    gate.settings.MODERATION_POLICY = str(path)

    with pytest.raises(GateNotReady, match="no answer within"):
        self_test("web")
