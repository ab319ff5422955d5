"""The message for a dashboard that is not built."""

from pathlib import Path

from tokenharbor.app.dashboard import why_no_dashboard


def test_a_failed_build_is_explained_until_one_succeeds(tmp_path: Path) -> None:
    assert "make run" in why_no_dashboard(tmp_path / "dist")
    (tmp_path / "dist.failed").write_text("npm ci failed: ENOTFOUND\n")
    assert "npm ci failed: ENOTFOUND" in why_no_dashboard(tmp_path / "dist")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").touch()
    assert not why_no_dashboard(tmp_path / "dist")
