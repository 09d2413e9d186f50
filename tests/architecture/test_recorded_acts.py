"""Every governed act is recorded: an operation that is told who acts leaves an audit entry."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("governance", "moderation", "billing", "inference")


def functions() -> dict[str, ast.FunctionDef]:
    """Every function of the operations, by app.module.name."""
    return {
        f"{app}.operations.{path.stem}.{node.name}": node
        for app in APPS
        for path in sorted((ROOT / app / "operations").glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def called_names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            if isinstance(each.func, ast.Name):
                yield each.func.id
            elif isinstance(each.func, ast.Attribute):
                yield each.func.attr
        elif isinstance(each, ast.Name):
            yield each.id


def recording(found: dict[str, ast.FunctionDef]) -> set[str]:
    """Functions that reach ``audit.record``, by way of functions of any operations module."""
    calls = {name: set(called_names(node)) for name, node in found.items()}
    reach = {"governance.operations.audit.record"}
    while True:
        short = {name.rpartition(".")[2] for name in reach}
        more = {name for name, called in calls.items() if called & short} | reach
        if more == reach:
            return reach
        reach = more


def takes_an_actor(node: ast.FunctionDef) -> bool:
    return "actor" in {argument.arg for argument in node.args.kwonlyargs + node.args.args}


def test_every_operation_that_is_told_who_acts_leaves_an_entry() -> None:
    found = functions()
    acting = {
        name
        for name, node in found.items()
        # What is only asked ("require_...") changes nothing.
        if takes_an_actor(node) and not node.name.startswith(("_", "require_"))
    }

    silent = acting - recording(found)

    assert silent == set()
