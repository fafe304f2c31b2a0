"""Settings, from the environment and from secret files."""

from pathlib import Path

import pytest
from beacon_libs.settings import Settings, load


def test_a_variable_sets_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """BEACON_ and the field's name in capitals is the variable's name."""
    monkeypatch.setenv("BEACON_REVISION", "abc123")
    assert load(Settings).revision == "abc123"


def test_a_secret_file_sets_its_field(tmp_path: Path) -> None:
    """A file's last newline is no part of the password."""
    (tmp_path / "beacon_store_password").write_text("swordfish\n")
    assert load(Settings, tmp_path).store_password.get_secret_value() == "swordfish"


def test_an_empty_secret_file_means_no_password(tmp_path: Path) -> None:
    """A store without a password needs no other deployment file."""
    (tmp_path / "beacon_store_password").write_text("\n")
    assert load(Settings, tmp_path).store_password.get_secret_value() == ""


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable to correct; its value may hold a password."""
    monkeypatch.setenv("BEACON_STORE_URL", "http://:swordfish@store")
    with pytest.raises(SystemExit, match="BEACON_STORE_URL") as refusal:
        load(Settings)
    assert "swordfish" not in str(refusal.value)


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    """Settings that end in a log do not give the password away."""
    (tmp_path / "beacon_store_password").write_text("swordfish")
    assert "swordfish" not in repr(load(Settings, tmp_path))
