"""Reads every source file of the house: only moderation makes the gate's passes."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("governance", "moderation", "billing", "inference")
PASSES = {"ScreenedPrompt", "ReleasedImage"}
MAKERS = {"seal_prompt", "reseal_prompt", "seal_image"}
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "copyreg",
}
MAY_MAKE = {"moderation/kernel/passes.py"}
MAY_ASK_FOR = {
    "moderation/operations/screening.py": {"seal_prompt", "reseal_prompt"},
    "moderation/operations/release.py": {"seal_image"},
}
MAY_READ_KEY = {
    "governance/env.py",
    "governance/settings.py",
    "moderation/operations/screening.py",
    "moderation/operations/release.py",
    # Signs for pictures to learn from, under a kind of their own: never a pass.
    "moderation/operations/training_pictures.py",
}


def sources():
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def name_of(node):
    """The last part of a name or attribute, or an empty string."""
    return getattr(node, "id", "") or getattr(node, "attr", "")


def offences(source, where):
    """What in ``source`` could make a pass of the gate outside it, as lines for people."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = f"{where}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            found += called(node, where, line)
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = name_of(node)
            if name == "_SEAL" and where not in MAY_MAKE:
                found.append(f"{line} touches the gate's seal")
            if name in MAKERS and where not in MAY_MAKE and name not in MAY_ASK_FOR.get(where, ()):
                found.append(f"{line} asks for a pass of the gate with {name}")
            if name == "RECEIPT_KEY" and where not in MAY_READ_KEY:
                found.append(f"{line} reads the receipt key")
        if isinstance(node, ast.ClassDef):
            found += [
                f"{line} subclasses a pass of the gate"
                for base in node.bases
                if name_of(base) in PASSES
            ]
        found += imported(node, where, line)
    return found


def called(node, where, line):
    """Constructors, ``object.__new__`` and ``object.__setattr__``."""
    name = name_of(node.func)
    if name in PASSES and where not in MAY_MAKE:
        return [f"{line} constructs a {name}"]
    if (
        name in {"__new__", "__setattr__"}
        and name_of(getattr(node.func, "value", None)) == "object"
    ):
        return [f"{line} goes round a constructor with object.{name}"]
    if name in {"getattr", "import_module"} and any(
        isinstance(each, ast.Constant) and each.value in PASSES | MAKERS | {"_SEAL"}
        for each in node.args
    ):
        return [f"{line} reaches for a pass of the gate by its name"]
    return []


def imported(node, where, line):
    """Modules that bring objects into being from bytes, and the gate's seal."""
    if isinstance(node, ast.Import):
        names = {alias.name.split(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        names = {(node.module or "").split(".")[0]}
        seals = {alias.name for alias in node.names} & ({"_SEAL"} | MAKERS)
        if seals and where not in MAY_MAKE:
            return [f"{line} imports {sorted(seals)} by name"]
    else:
        return []
    return [f"{line} imports {name}" for name in sorted(names & UNSAFE_MODULES)]


def test_nobody_outside_the_gate_constructs_or_unpickles_a_pass():
    found = [
        offence
        for path in sources()
        for offence in offences(path.read_text(), str(path.relative_to(ROOT)))
    ]

    assert found == []


def test_the_scan_reads_all_four_packages():
    seen = {path.relative_to(ROOT).parts[0] for path in sources()}

    assert seen == set(PACKAGES)


@pytest.mark.parametrize(
    "source",
    [
        "ScreenedPrompt(text='x')",
        "passes.ReleasedImage(data=b'')",
        "object.__new__(ScreenedPrompt)",
        "object.__setattr__(prompt, 'text', 'x')",
        "from moderation.kernel.passes import _SEAL",
        "from moderation.kernel.passes import seal_prompt",
        "passes.seal_image(bundle=b)",
        "seal = passes._SEAL",
        "getattr(passes, 'seal_image')",
        "class Forged(ScreenedPrompt): pass",
        "import pickle",
        "from pickle import loads",
        "key = settings.RECEIPT_KEY",
    ],
)
def test_the_scan_sees_each_way_of_forging(source):
    assert offences(source, "inference/operations/somewhere.py")
