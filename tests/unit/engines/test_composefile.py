"""Variables of a Compose file, as Compose reads them."""

import pytest

from buildonce.engines.composefile import fill, names_in, required_variables


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("$A ${B} ${C:?must be set} $$D ${E:-e}", "", "ABC"),
        ("${A:-${B}}", "", "B"),
        ("${A:-${B}}", "A", ""),
        ("${A:-${B:-${C}}}", "", "C"),
        ("${A:-${B:-c}}", "", ""),
        ("${A:+${B}}", "", ""),
        ("${A:+${B}}", "A", "B"),
        ("${A:-x}/${B}", "", "B"),
    ],
)
def test_a_default_counts_where_it_is_used(text: str, given: str, expected: str) -> None:
    """What a default needs itself is required as long as nothing sets the variable before it."""
    assert required_variables(text, set(given)) == set(expected)


def test_every_name_is_found() -> None:
    """Variables in defaults are variables as well; a doubled dollar is none."""
    assert list(names_in("${A:-${B:-$C}} $$D $E")) == ["A", "B", "C", "E"]


def test_variables_in_defaults_are_filled_in() -> None:
    """What is written for a variable reaches it inside another one's default."""
    assert fill("${A:-${B}} $B $$B", {"B": "b"}.get) == "${A:-b} b $$B"
    assert fill("${A:-${B}} x", {"A": "a"}.get) == "a x"
