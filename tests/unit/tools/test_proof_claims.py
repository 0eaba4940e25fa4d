"""Each test that shows a claim of the proof is there, by its whole name."""

import importlib
import pkgutil
from collections.abc import Iterator

from tests.support.places import REPOSITORY
from tools.proof import claims
from tools.proof.pytest_runs import named_tests


def named() -> Iterator[str]:
    """All files, classes and tests that any part of the proof names."""
    for part in pkgutil.iter_modules(claims.__path__):
        module = importlib.import_module(f"{claims.__name__}.{part.name}")
        for name in ("FINDINGS", "CLAIMS", "SHOWN_BY"):
            yield from (test for test in named_tests(getattr(module, name, {})) if ".py" in test)


def is_there(test: str) -> bool:
    """Whether the file has the class or test, or the class inherits it."""
    file, *names = test.split("::")
    if not (REPOSITORY / file).exists():
        return False
    found: object = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    for name in names:
        found = getattr(found, name, None)
    return found is not None


def test_each_test_that_a_claim_names_is_there() -> None:
    tests = set(named())
    assert len(tests) > 300
    assert [test for test in sorted(tests) if not is_there(test)] == []


def test_a_name_that_no_test_has_is_found() -> None:
    assert is_there("tests/unit/tools/test_proof_claims.py::test_a_name_that_no_test_has_is_found")
    assert not is_there("tests/unit/tools/test_proof_claims.py::test_a_name_that_no_test_has")
