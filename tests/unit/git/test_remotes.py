"""Addresses of git remotes: what becomes public of them."""

from __future__ import annotations

import pytest

from buildonce.git.remotes import may_pass, web_address
from buildonce.refs import without_users


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://git.example.org/acme/shop.git", "https://git.example.org/acme/shop"),
        ("https://git.example.org:8443/acme/shop/", "https://git.example.org:8443/acme/shop"),
        ("https://robot:secret@git.example.org/acme/shop", "https://git.example.org/acme/shop"),
        ("https://robot:p@ss@git.example.org/acme/shop", "https://git.example.org/acme/shop"),
        ("https://robot:p/ss@git.example.org/acme/shop", None),
        ("https://robot:1/ss@git.example.org/acme/shop", None),
        ("git@git.example.org:acme/shop.git", "https://git.example.org/acme/shop"),
        ("git@git.example.org:42/shop.git", "https://git.example.org/42/shop"),
        ("ssh://git@git.example.org:2222/acme/shop.git", "https://git.example.org/acme/shop"),
        ("/srv/git/shop.git", None),
        ("file:///srv/git/shop.git", None),
    ],
)
def test_a_web_address_has_no_part_of_a_password(url: str, address: str | None) -> None:
    """What becomes a label is the host and the path; where that is not certain, nothing."""
    assert web_address(url) == address


def test_messages_have_no_part_of_a_password() -> None:
    """Whatever git repeats of an address is passed on without its user and password."""
    said = "fatal: unable to access 'https://robot:p@ss/w@git.example.org/shop/': refused"
    assert without_users(said) == "fatal: unable to access 'https://git.example.org/shop/': refused"


@pytest.mark.parametrize(
    ("complaint", "passes"),
    [
        ("fatal: Could not read from remote repository.", True),
        ("fatal: expected flush after capabilities", True),
        ("fatal: unable to connect to git.example.org", True),
        ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", True),
        ("fatal: unable to access: The requested URL returned error: 403", False),
        ("fatal: could not read Username for 'https://git.example.org': disabled", False),
        ("git@git.example.org: Permission denied (publickey).", False),
        ("remote: Repository not found.", False),
        ("fatal: '/srv/git/shop.git' does not appear to be a git repository", False),
    ],
)
def test_a_refusal_is_told_from_what_may_pass(complaint: str, passes: bool) -> None:
    """Whoever may not read is told at once; a connection that broke off is tried again."""
    assert may_pass(complaint) == passes
