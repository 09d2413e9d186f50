"""What may be loaded where."""

import subprocess
import sys


def loaded_modules(statement: str) -> set[str]:
    """Top-level modules of a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


class TestTheWebProcess:
    def test_starts_and_resolves_every_address_without_torch(self) -> None:
        modules = loaded_modules(
            "import governance.asgi\nfrom django.urls import get_resolver\n"
            "get_resolver().reverse_dict"
        )

        assert "inference" in modules
        assert modules.isdisjoint({"torch", "diffusers", "transformers", "sklearn"})


class TestTheSupervisor:
    def test_holds_no_torch_either(self) -> None:
        modules = loaded_modules(
            "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'governance.settings')\n"
            "import django; django.setup()\nimport inference.supervisor, inference.tasks"
        )

        assert modules.isdisjoint({"torch", "diffusers", "transformers"})
