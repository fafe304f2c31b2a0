"""Secret values are taken out of a text."""

from buildonce.masking import hide


def test_each_line_of_a_value_is_hidden() -> None:
    """A log that shows one line of a key at a time does not give the key away."""
    assert hide("a first-1 and second-2", ["first-1\nsecond-2\n"]) == "a *** and ***"


def test_a_longer_value_goes_first() -> None:
    """A value that contains another one is hidden whole."""
    assert hide("password-and-more", ["password", "password-and-more"]) == "***"


def test_what_is_short_or_public_stays() -> None:
    """Values of three characters, and words that everybody may read, are left alone."""
    assert hide("the abc of debug", ["abc", "debug"], "log: debug") == "the abc of debug"


def test_a_part_of_a_public_word_is_hidden() -> None:
    """A value counts as public only as a whole word."""
    assert hide("debug", ["debug"], "debugging") == "***"
