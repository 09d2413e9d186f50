"""Every error code of the product with what its pages say, from the classes themselves."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pkgutil import walk_packages

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from governance.kernel.errors import DomainError

PLACES = ("api", "portal", "operations", "queries", "gateways", "kernel")


@dataclass(frozen=True)
class ProblemPage:
    """One code. ``meanings`` has more than one entry where several refusals share the code."""

    code: str
    title: str
    status: int
    meanings: tuple[str, ...]
    retryable: bool


def problem_page(code: str) -> ProblemPage | None:
    """The page of one code, None where there is no such code."""
    return problem_pages().get(code)


@cache
def problem_pages() -> dict[str, ProblemPage]:
    """Every code in alphabetical order."""
    classes: dict[str, list[type[DomainError]]] = {}
    for kind in error_classes():
        classes.setdefault(kind.code, []).append(kind)
    return {
        code: ProblemPage(
            code=code,
            title=kinds[0].title,
            status=kinds[0].status,
            meanings=tuple(dict.fromkeys(cleandoc(kind.__doc__ or "") for kind in kinds)),
            retryable=any(kind.retryable for kind in kinds),
        )
        for code, kinds in sorted(classes.items())
    }


def error_classes() -> list[type[DomainError]]:
    """Every class of errors, by module and name. Loads the modules that may define one."""
    for name in ("governance", "moderation", "billing", "inference"):
        _load(name)
    found: set[type[DomainError]] = set()
    waiting: list[type[DomainError]] = [DomainError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.add(kind)
            waiting.append(kind)
    ours = (kind for kind in found if kind.__module__.split(".")[0] in apps.app_configs)
    return sorted(ours, key=lambda kind: (kind.__module__, kind.__qualname__))


def _load(app: str) -> None:
    """Import the modules of an app in which errors are raised."""
    package = apps.get_app_config(app).module
    assert package is not None, f"{app} is a package"
    for place in PLACES:
        if module_has_submodule(package, place):
            home = import_module(f"{app}.{place}")
            for module in walk_packages(getattr(home, "__path__", []), f"{app}.{place}."):
                import_module(module.name)
