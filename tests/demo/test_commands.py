"""The load test and the screenshots exit like every command if their input cannot be used."""

import pytest

from tests.demo import load, screenshot


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "1"], "expected --seconds 2 or more, got 1.0"),
        (["--hostile", "8"], "expected --hostile 0 to 7"),
        (["--clients", "0", "--hostile", "0"], "expected --clients 1 or more, got 0"),
    ],
)
def test_a_load_test_that_cannot_be_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        load.main(arguments)
    assert message in capsys.readouterr().err


def test_screenshots_need_a_browser(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(screenshot, "browser_path", lambda: None)
    assert screenshot.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == "expected Chromium on the path or in $CHROMIUM, got none; install it\n"
