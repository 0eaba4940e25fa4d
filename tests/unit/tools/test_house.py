"""What `make proof ONLY=house` counts."""

from pathlib import Path

from tests.support.places import REPOSITORY
from tools.lint.lengths import long_files, too_long, words
from tools.proof.claims.the_house import SHOWN_BY
from tools.proof.pytest_runs import named_tests


def test_words_are_what_is_between_spaces(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Rapport\n\n| a | b-c |\n")
    assert words(page) == 7


def test_what_is_too_long_is_told_with_its_limit(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("word " * 601)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "long.py").write_text("x = 1\n" * 401)
    assert too_long(tmp_path) == [
        "tools/long.py: more than 400 lines; split it",
        "README.md: more than 600 words; move some to docs/",
    ]


def test_a_file_of_more_than_400_lines_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "services" / "toy-service" / "src"
    folder.mkdir(parents=True)
    (folder / "short.py").write_text("x = 1\n" * 400)
    (folder / "long.py").write_text("x = 1\n" * 401)
    assert long_files(tmp_path) == ["services/toy-service/src/long.py"]


def test_files_of_other_projects_may_be_long(tmp_path: Path) -> None:
    folder = tmp_path / "libs" / "toy" / "vendor"
    folder.mkdir(parents=True)
    (folder / "long.py").write_text("x = 1\n" * 401)
    assert long_files(tmp_path) == []


def test_the_tests_that_show_a_claim_exist() -> None:
    assert [file for file in named_tests(SHOWN_BY) if not (REPOSITORY / file).exists()] == []
