"""No file of the repository holds a secret (S8)."""

import re
import subprocess

from tests.support.places import REPOSITORY

SECRETS = re.compile(
    r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"  # AWS
    r"|\bLTAI[0-9A-Za-z]{16,24}\b"  # Alibaba Cloud
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"  # GitHub
    r"|\bxox[abprs]-[A-Za-z0-9-]{20,}"  # Slack
    r"|\bsk_live_[A-Za-z0-9]{16,}"  # Stripe
    r"|\brk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\b"  # our own keys
    r"|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\."  # tokens (JWT)
)
_MINIFIED = ("swagger-ui-bundle.js",)
DEFAULTS = "deploy/compose/defaults.env"
"""What is the same everywhere; the only file of its kind that is tracked."""


def test_the_patterns_find_what_they_are_for() -> None:
    for secret in ("-----BEGIN RSA PRIVATE " + "KEY-----", "rk_" + "0" * 16 + "_" + "a" * 43):
        assert SECRETS.search(f"x = '{secret}'")


def test_no_tracked_file_holds_a_secret() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.split("\0") if name and not name.endswith(_MINIFIED)]
    assert len(names) > 100
    found = {
        name: match[0][:12] for name in names if (match := SECRETS.search(_text(name))) is not None
    }
    assert not found


def test_no_file_of_an_environment_is_tracked() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.env", "*.pem", "*.key", ".env*", "*.p12"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = [name for name in listed.stdout.splitlines() if not name.endswith(".env.example")]
    assert tracked == [DEFAULTS]
    named = re.findall(r"^(\w+)=", _text(DEFAULTS), re.MULTILINE)
    assert [name for name in named if re.search("PASSWORD|SECRET|KEY|TOKEN|_URL", name)] == []


def _text(name: str) -> str:
    place = REPOSITORY / name
    return place.read_bytes().decode("utf-8", "replace") if place.is_file() else ""
