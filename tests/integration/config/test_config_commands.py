"""`aibridge config show|check`, the options of commands that read settings, and the reference page."""

import json
import os
import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aibridge_adapters.cli.config_commands import config, settings_from_flags, settings_options
from aibridge_adapters.config_sources import load_settings
from aibridge_adapters.config_sources.reference import with_tables
from aibridge_adapters.config_sources.table import SETTINGS

KEY = "sk-0123456789abcdefghij"
PAGE = Path(__file__).parents[3] / "docs/reference/configuration.md"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch, tmp_path):
    """An empty environment, folder and home."""
    for name in list(os.environ):
        if name.startswith(("AIBRIDGE_", "CODER_", "ANTHROPIC_", "OPENAI_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home/data"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(config, arguments, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@click.command()
@settings_options
def start(**flags: object) -> None:
    """Stands for `aibridge serve`."""
    click.echo(repr(settings_from_flags(**flags).settings))


def test_show_lists_every_setting_with_its_origin(tmp_path):
    """Text: key, value, origin; the secret masked; warnings on standard error."""
    (tmp_path / "aibridge.toml").write_text('log_level = "debug"')
    environ = {"AIBRIDGE_OPENAI_KEY": KEY, "AIBRIDGE_MAX_BODY": "1048576", "AIBRIDGE_PROXY_ENABLED": "5"}
    code, out, err = run("show", **environ)
    rows = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in out.splitlines() if line}
    assert code == 0
    assert set(rows) >= {setting.key for setting in SETTINGS}
    assert rows["max_body"] == ["1MiB", "AIBRIDGE_MAX_BODY"]
    assert rows["log_level"] == ["debug", "aibridge.toml: log_level"]
    assert rows["http_address"] == ["127.0.0.1:4001", "default"]
    assert rows["providers.openai.keys"] == ["sk-0...ghij", "AIBRIDGE_OPENAI_KEY"]
    assert out.endswith("file: aibridge.toml\n")
    assert KEY not in out + err
    assert err.startswith("warning: AIBRIDGE_PROXY_ENABLED is known")


def test_show_as_json():
    """Values as JSON has them; durations in seconds, sizes in bytes, what isn't set as null."""
    code, out, _ = run("show", "--output", "json", AIBRIDGE_CONNECT_TIMEOUT="1m", AIBRIDGE_OPENAI_KEY=KEY)
    document = json.loads(out)
    rows = {row["key"]: row for row in document["settings"]}
    assert code == 0
    assert document["file"] is None
    assert rows["timeouts.connect"] == {
        "key": "timeouts.connect", "value": 60.0, "source": "environment", "origin": "AIBRIDGE_CONNECT_TIMEOUT",
    }  # fmt: skip
    assert rows["max_body"]["value"] == 33554432
    assert rows["allow_byok"]["value"] is True
    assert rows["ca_bundle"] == {"key": "ca_bundle", "value": None, "source": "default", "origin": None}
    assert rows["providers.openai.keys"]["value"] == ["sk-0...ghij"]


def test_show_as_toml_is_a_file_that_gives_the_same_settings(tmp_path):
    """Written to a file and read again it changes nothing, except that secrets are left to be filled in."""
    environ = {"AIBRIDGE_HTTP_ADDRESS": "[::1]:4001", "AIBRIDGE_KEEP_ALIVE_INTERVAL": "0.5", "AIBRIDGE_ALLOW_BYOK": "1",
               "AIBRIDGE_PROVIDER_0_TYPE": "vercel", "AIBRIDGE_PROVIDER_0_BASE_URL": "https://x.example/ü/",
               "AIBRIDGE_PROVIDER_0_KEYS": KEY}  # fmt: skip
    _, out, _ = run("show", "-o", "toml", **environ)
    assert KEY not in out
    assert tomllib.loads(out)["timeouts"]["connect"] == "10s"
    file = tmp_path / "written.toml"
    file.write_text(out, encoding="utf-8")
    secrets = {"AIBRIDGE_PROVIDER_0_TYPE": "vercel", "AIBRIDGE_PROVIDER_0_KEY": KEY}
    again = load_settings(flags={}, environ=secrets, file=file, strict=True)
    first = load_settings(flags={}, environ=environ, file=None)
    assert again.settings == first.settings


def test_check_says_that_it_would_start():
    """One line on standard output; warnings and notes on standard error; exit code 0."""
    code, out, err = run("check", AIBRIDGE_PROXY_ENABLED="5", AIBRIDGE_ADDRESS="x")
    assert (code, out) == (0, "ok, 2 warnings; file: none; providers: anthropic, openai\n")
    assert err.count("warning: ") == 2
    assert "note: no provider is configured" in err


def test_check_says_why_it_would_not_start():
    """Every problem on standard error, and nothing on standard output; exit code 1."""
    code, out, err = run("check", AIBRIDGE_LOG_LEVEL="loud", AIBRIDGE_MAX_BODY="\x1b[31mmuch\u202e")
    assert (code, out) == (1, "")
    assert "2 problems" in err
    assert 'AIBRIDGE_LOG_LEVEL = "loud"' in err
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_check_reads_the_proxies_of_the_environment():
    """The gateway would refuse them at its start; their values may hold passwords."""
    code, out, err = run("check", https_proxy="socks5://ann:secret@proxy:1080")
    assert (code, out) == (1, "")
    assert err.startswith("Error: https_proxy: only proxies of the form http://host:port")
    assert "secret" not in err


def test_check_is_strict_when_asked():
    """An unknown name is then a problem; a known one without effect still is not."""
    assert run("check", "--strict-config", AIBRIDGE_PROXY_ENABLED="5")[0] == 0
    code, _, err = run("check", "--strict-config", AIBRIDGE_HTTP_ADRESS="x")
    assert code == 1
    assert "did you mean AIBRIDGE_HTTP_ADDRESS?" in err


def test_the_file_that_was_named_is_read(tmp_path):
    """By `--config` or AIBRIDGE_CONFIG; one that isn't there is a problem. A wrong option is wrong usage."""
    (tmp_path / "other.toml").write_text('log_level = "loud"')
    assert "other.toml: log_level" in run("check", "--config", "other.toml")[2]
    assert "other.toml: log_level" in run("check", AIBRIDGE_CONFIG="other.toml")[2]
    assert run("check", "--config", "none.toml")[0] == 1
    assert run("check", "--colour")[0] == 2


def test_every_setting_has_a_flag_whose_help_teaches():
    """It names the variable and the default; a secret has a flag for its file only."""
    text = " ".join(CliRunner().invoke(start, ["--help"], terminal_width=200).stdout.split())
    for setting in SETTINGS:
        assert f"{setting.flag} " in text or f"{setting.flag}/" in text or f"{setting.flag} /" in text
        assert f"AIBRIDGE_{setting.variable}" in text
    assert "--bootstrap-admin-token-file FILE" in text
    assert "--bootstrap-admin-token " not in text
    assert "Default: 127.0.0.1:4001." in text


def test_flags_reach_the_settings(tmp_path):
    """Typed as texts, also the pair of flags for a truth value; a wrong one is refused by its flag."""
    (tmp_path / "token").write_text("a-token-of-24-characters")
    arguments = ["--http-address", "127.0.0.1:0", "--no-allow-byok", "--connect-timeout", "3s",
                 "--bootstrap-admin-token-file", "token"]  # fmt: skip
    result = CliRunner().invoke(start, arguments, env={"AIBRIDGE_ALLOW_BYOK": "true", "AIBRIDGE_HTTP_ADDRESS": "h:1"})
    assert "http_address='127.0.0.1:0'" in result.stdout
    assert "allow_byok=False" in result.stdout
    assert "connect=3.0" in result.stdout
    refused = CliRunner().invoke(start, ["--max-body", "much", "--log-level", "loud"])
    assert refused.exit_code == 1
    assert '--max-body = "much"' in refused.stderr
    assert '--log-level = "loud"' in refused.stderr


def test_the_reference_page_has_the_present_tables():
    """If this fails: python -m aibridge_adapters.config_sources.reference docs/reference/configuration.md"""
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page)


def test_the_reference_page_names_everything():
    """Every flag, variable and file key stands in it, and its example is a valid file."""
    page = PAGE.read_text(encoding="utf-8")
    for setting in SETTINGS:
        for name in (setting.flag, f"AIBRIDGE_{setting.variable}", setting.key):
            assert f"`{name}" in page
    example = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    assert example["providers"][1]["name"] == "local"
