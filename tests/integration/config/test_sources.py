"""Which source wins, which names count, and what is said about the rest."""

import re
from pathlib import Path

import pytest
import trustme

from aibridge_adapters.cli.config_view import as_toml
from aibridge_adapters.config import Settings, Timeouts
from aibridge_adapters.config_sources import ConfigError, Source, find_file, kinds, load_settings
from aibridge_adapters.config_sources.table import SETTINGS

# For each setting a text of each source and the value that it means. Files are made by the tests.
EXAMPLES = {
    "http_address": ("[::1]:1", "[::1]:1"),
    "database_url": ("sqlite:///x.db", "sqlite:///x.db"),
    "database.pool_size": ("12", 12),
    "database.statement_timeout": ("20s", 20.0),
    "database.lock_timeout": ("500ms", 0.5),
    "recording.policy": ("spool", "spool"),
    "recording.timeout": ("500ms", 0.5),
    "recording.buffer": ("2MiB", 2**21),
    "recording.spool_size": ("2GiB", 2**31),
    "recording.identity_grace": ("12h", 43200.0),
    "recording.lease": ("1m", 60.0),
    "retention": ("12w", 84 * 86400.0),
    "prompt_retention": ("24h", 86400.0),
    "record_content": ("none", "none"),
    "content_hash_key": ("a-key-of-33-characters-of-my-own-", "a-key-of-33-characters-of-my-own-"),
    "secrets_key": ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", (bytes(range(32)),)),
    "bootstrap_admin_token": ("a-token-of-24-characters", "a-token-of-24-characters"),
    "allow_byok": ("no", False),
    "max_body": ("1KiB", 1024),
    "dumps.size": ("2MiB", 2 * 2**20),
    "dumps.age": ("3d", 3 * 86_400.0),
    "header_timeout": ("4s", 4.0),
    "body_timeout": ("6s", 6.0),
    "timeouts.connect": ("1s", 1.0),
    "timeouts.read_idle": ("2m", 120.0),
    "timeouts.total": ("3h", 10800.0),
    "timeouts.stream_idle": ("0", 0.0),
    "keep_alive_interval": ("0.5", 0.5),
    "shutdown_timeout": ("1m", 60.0),
    "tools.users": ("ann, bob", ("ann", "bob")),
    "tools.timeout": ("30s", 30.0),
    "tools.connect_timeout": ("2s", 2.0),
    "tools.list_ttl": ("1h", 3600.0),
    "tools.max_turns": ("4", 4),
    "tools.max_result": ("2MiB", 2**21),
    "tools.history_size": ("1GiB", 2**30),
    "tools.history_ttl": ("2h", 7200.0),
    "tools.skip_models": ("mini|nano", re.compile("mini|nano")),
    "tls_cert_file": ("pem", None),
    "tls_key_file": ("pem", None),
    "ca_bundle": ("pem", None),
    "log_level": ("debug", "debug"),
    "tracing.enable": ("true", True),
    "tracing.endpoint": ("https://collector.example:4318", "https://collector.example:4318"),
    "tracing.logs": ("true", True),
    "tracing.content": ("true", True),
    "tracing.from_clients": ("false", False),
    "tracing.to_providers": ("true", True),
    "log_format": ("json", "json"),
    "log_file": ("lines", None),
    "log_stderr": ("yes", True),
    "structured_logging": ("on", True),
    "log_content": ("none", "none"),
    "prometheus.enable": ("true", True),
    "prometheus.address": ("127.0.0.1:9464", "127.0.0.1:9464"),
    "prometheus.users": ("false", False),
    "limits.max_rps": ("50", 50),
    "limits.max_concurrent": ("200", 200),
    "limits.max_rps_per_user": ("5", 5),
    "limits.max_concurrent_per_user": ("20", 20),
    "limits.shared": ("off", False),
    "limits.shared_timeout": ("100ms", 0.1),
    "limits.shared_fallback": ("refuse", "refuse"),
    "actor_headers.send": ("true", True),
    "actor_headers.id": ("X-Employee", "X-Employee"),
    "actor_headers.username": ("X-Name", "X-Name"),
    "upstream_retries": ("4", 4),
    "circuit_breaker.enabled": ("true", True),
    "circuit_breaker.failure_threshold": ("7", 7),
    "circuit_breaker.interval": ("1m", 60.0),
    "circuit_breaker.timeout": ("45s", 45.0),
    "circuit_breaker.max_requests": ("2", 2),
    "prometheus.max_values": ("50", 50),
}
FILES = [setting for setting in SETTINGS if setting.kind in (kinds.FILE, kinds.AUTHORITIES)]


def field(settings: Settings, key: str) -> object:
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def test_without_anything_the_defaults_hold(load, tmp_path):
    """Settings have their defaults, the database is in the data folder, and there are two providers without keys."""
    loaded = load()
    assert loaded.settings.timeouts == Timeouts()
    assert (loaded.settings.http_address, loaded.settings.max_body) == ("127.0.0.1:4001", 32 * 1024 * 1024)
    assert loaded.settings.database_url == f"sqlite:///{tmp_path}/data/aibridge.db"
    assert [(p.name, p.type, p.base_url, p.keys) for p in loaded.settings.providers] == [
        ("anthropic", "anthropic", "https://api.anthropic.com/", ()),
        ("openai", "openai", "https://api.openai.com/v1/", ()),
    ]
    assert loaded.warnings == ()
    assert {entry.origin.source for entry in loaded.entries} == {Source.DEFAULT}


@pytest.mark.parametrize("prefix", ["AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"])
@pytest.mark.parametrize("setting", [s for s in SETTINGS if not s.kind.path], ids=lambda s: s.key)
def test_every_setting_comes_from_the_environment(load, setting, prefix):
    """Each setting is read under each of the three prefixes, and its origin is the variable."""
    text, value = EXAMPLES[setting.key]
    loaded = load({prefix + setting.variable: text, "ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"})
    assert field(loaded.settings, setting.key) == value
    assert origin(loaded, setting.key) == prefix + setting.variable
    assert loaded.warnings == ()


@pytest.mark.parametrize("setting", [s for s in SETTINGS if not s.kind.path], ids=lambda s: s.key)
def test_every_setting_comes_from_the_file(load, setting, tmp_path):
    """Each setting is read from its key, also below a table."""
    text, value = EXAMPLES[setting.key]
    loaded = load(toml=f'{setting.key} = "{text}"')
    assert field(loaded.settings, setting.key) == value
    assert origin(loaded, setting.key) == f"{tmp_path}/aibridge.toml: {setting.key}"


WEAKER = {"database_url": "sqlite:///weaker.db", "tracing.endpoint": "weaker.example:4317"}
"""For settings without a default."""


@pytest.mark.parametrize("setting", [s for s in SETTINGS if not s.kind.path and not s.kind.secret], ids=lambda s: s.key)
def test_a_flag_wins_over_the_environment_and_that_over_the_file(load, setting):
    """All three give a value; the strongest one is taken."""
    text, value = EXAMPLES[setting.key]
    weaker = WEAKER.get(setting.key) or setting.kind.show(setting.default)
    variable = "AIBRIDGE_" + setting.variable
    toml = f'{setting.key} = "{weaker}"'
    assert field(load({variable: text}, toml).settings, setting.key) == value
    loaded = load({variable: weaker}, toml, flags={setting.parameter: text})
    assert (field(loaded.settings, setting.key), origin(loaded, setting.key)) == (value, setting.flag)


def test_toml_values_need_no_quotes(load):
    """Numbers and truth values of TOML mean themselves: seconds and bytes."""
    settings = load(toml="allow_byok = false\nmax_body = 2048\n[timeouts]\nconnect = 2\ntotal = 1.5").settings
    assert (settings.allow_byok, settings.max_body) == (False, 2048)
    assert (settings.timeouts.connect, settings.timeouts.total) == (2.0, 1.5)


def test_an_empty_value_counts_as_not_given(load):
    """Tools that can't leave a variable out leave it empty."""
    loaded = load({"AIBRIDGE_HTTP_ADDRESS": " ", "AIBRIDGE_PROVIDER_0_TYPE": ""}, 'log_level = ""', {"log_format": ""})
    assert loaded == load(toml="")


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting.kind.empty], ids=lambda s: s.key)
def test_an_empty_value_may_mean_something(load, setting):
    """Whoever empties the name of a header that tells providers who asks doesn't get the usual one."""
    assert setting.default
    for given in (
        load({f"AIBRIDGE_{setting.variable}": ""}),
        load(toml=f'{setting.key} = ""'),
        load(flags={setting.parameter: ""}),
    ):
        assert not field(given.settings, setting.key)
        again = load(toml=as_toml(given))
        assert not field(again.settings, setting.key)


def test_two_names_of_one_setting_may_agree_but_not_disagree(load, problems):
    """Values are compared, not texts; a disagreement names both variables."""
    agreed = {"AIBRIDGE_MAX_BODY": "1KiB", "CODER_AIBRIDGE_MAX_BODY": "1024"}
    assert load(agreed).settings.max_body == 1024
    text = problems({"AIBRIDGE_MAX_BODY": "1KiB", "CODER_AI_GATEWAY_MAX_BODY": "1kB"})
    assert "AIBRIDGE_MAX_BODY" in text.split()
    assert "CODER_AI_GATEWAY_MAX_BODY" in text.split()
    assert "disagree" in text


def test_a_secret_comes_from_a_file(load, problems, tmp_path):
    """`..._FILE` names a file whose text is the secret, without the line end; an empty or missing one is refused."""
    (tmp_path / "token").write_text("a-token-of-24-characters\n")
    variable = "AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN_FILE"
    for loaded in (
        load({variable: str(tmp_path / "token")}),
        load(toml='bootstrap_admin_token_file = "token"'),
        load(flags={"bootstrap_admin_token_file": str(tmp_path / "token")}),
    ):
        assert loaded.settings.bootstrap_admin_token == "a-token-of-24-characters"
    (tmp_path / "empty").write_text("\n")
    assert f'{variable} = "{tmp_path}/empty": the file is empty' in problems({variable: str(tmp_path / "empty")})
    assert "there is no such file" in problems({variable: str(tmp_path / "missing")})


def test_files_are_found_beside_the_configuration_file(load, tmp_path):
    """A relative path counts from the folder of the file; in a variable, from the working directory."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert load(toml='ca_bundle = "ca.pem"').settings.ca_bundle == tmp_path / "ca.pem"
    assert load({"AIBRIDGE_CA_BUNDLE": str(tmp_path / "ca.pem")}).settings.ca_bundle == tmp_path / "ca.pem"


@pytest.mark.parametrize("setting", FILES, ids=lambda s: s.key)
def test_files_have_to_exist(problems, setting, tmp_path):
    """A path of a certificate, key or bundle that leads nowhere, or to a folder, is refused by name."""
    missing = problems({"AIBRIDGE_" + setting.variable: str(tmp_path / "none.pem")})
    assert f'AIBRIDGE_{setting.variable} = "{tmp_path}/none.pem": there is no such file' in missing
    assert "that is not a file" in problems(toml=f'{setting.key} = "{tmp_path}"')


def test_a_bundle_holds_certificates(problems, tmp_path):
    """A file that nobody could trust by is refused before anything starts, and its text isn't shown."""
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    refusal = problems({"AIBRIDGE_CA_BUNDLE": str(tmp_path / "key.pem")})
    assert 'key.pem": the file holds no certificates that can be read; allowed: ' in refusal
    assert "BEGIN" not in refusal


def test_a_folder_need_not_exist(load, problems, tmp_path):
    """The spool's folder is made when it is needed; a relative one counts from the file, and a file is refused."""
    assert load({"AIBRIDGE_SPOOL_DIR": str(tmp_path / "new")}).settings.recording.spool_dir == tmp_path / "new"
    assert load(toml='recording.spool_dir = "spool"').settings.recording.spool_dir == tmp_path / "spool"
    (tmp_path / "file").touch()
    assert "that is not a folder" in problems({"AIBRIDGE_SPOOL_DIR": str(tmp_path / "file")})


@pytest.mark.parametrize(("text", "why"), [("0", "too short"), ("5ms", "too short"), ("2m", "too long")])
def test_a_deadline_is_neither_none_nor_for_ever(problems, text, why):
    """Zero doesn't mean "no limit" where somebody waits for an answer."""
    assert f"that is {why}" in problems({"AIBRIDGE_RECORDING_TIMEOUT": text})


@pytest.mark.parametrize(("text", "why"), [("0", "too short"), ("1s", "too short"), ("11m", "too long")])
def test_a_lease_outlasts_a_busy_moment(problems, text, why):
    """Else a gateway that is only slow would be taken for dead."""
    assert f"that is {why}" in problems({"AIBRIDGE_RECORDING_LEASE": text})


def test_certificate_and_key_go_together(load, problems, tmp_path):
    """One without the other is refused, with the names of the missing one; both may come from different sources."""
    (tmp_path / "pem").write_text("x")
    pem = str(tmp_path / "pem")
    for given, missing in (("CERT", "KEY"), ("KEY", "CERT")):
        text = problems({f"AIBRIDGE_TLS_{given}_FILE": pem})
        assert text.startswith(f"AIBRIDGE_TLS_{given}_FILE needs")
        assert f"AIBRIDGE_TLS_{missing}_FILE" in text
    settings = load({"AIBRIDGE_TLS_CERT_FILE": pem}, 'tls_key_file = "pem"').settings
    assert (settings.tls_cert_file, settings.tls_key_file) == (Path(pem), Path(pem))


def test_every_problem_is_reported_at_once(load):
    """Name, value and what is allowed, for all sources together; also for values that a flag replaces."""
    with pytest.raises(ConfigError) as refused:
        load(
            {"AIBRIDGE_HTTP_ADDRESS": "4001", "AIBRIDGE_LOG_LEVEL": "loud", "AIBRIDGE_PROVIDER_1_TYPE": "openai"},
            'max_body = "much"\n[timeouts]\nconnect = true',
            {"http_address": "127.0.0.1:1", "keep_alive_interval": "never"},
        )
    text = str(refused.value)
    assert "6 problems" in text
    for part in (
        'AIBRIDGE_HTTP_ADDRESS = "4001"',
        "HOST:PORT",
        'AIBRIDGE_LOG_LEVEL = "loud": allowed: debug, info, warning, error',
        "AIBRIDGE_PROVIDER_0_TYPE is missing",
        'aibridge.toml: max_body = "much"',
        'aibridge.toml: timeouts.connect = "True"',
        '--keep-alive-interval = "never"',
    ):
        assert part in text


def test_no_problem_shows_a_secret(problems):
    """Secrets are masked, passwords in URLs cut out, and names nobody knows are reported without their value."""
    token, key, password, stray = "short-token-15c", "sk-key with a blank", "hunter2", "sk-in-a-misspelt-name"
    text = problems(
        {
            "AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN": token,
            "AIBRIDGE_PROVIDER_0_TYPE": "openai",
            "AIBRIDGE_PROVIDER_0_KEY": key,
            "AIBRIDGE_PROVIDER_0_BASE_URL": f"https://user:{password}@api.example.com/?key={password}",
            "AIBRIDGE_DATABASE_URL": f"postgrseql://user:{password}@db/x",
            "AIBRIDGE_OPNAI_KEY": stray,
        },
        strict=True,
    )
    assert len(text.splitlines()) == 5
    assert not [secret for secret in (token, key, password, stray) if secret in text]
    assert "sh...5c" in text


def test_settings_and_entries_have_no_secret_in_their_repr(load):
    """What a log or a traceback may show of the settings holds no key and no token."""
    loaded = load(
        {
            "AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN": "t0ken" * 5,
            "AIBRIDGE_OPENAI_KEY": "sk-0123456789abcdefghij",
            "AIBRIDGE_DATABASE_URL": "postgresql://ann:hunter2@db/trail",
        }
    )
    assert loaded.settings.database_url == "postgresql://ann:hunter2@db/trail"
    assert "hunter2" not in repr(loaded)
    (url,) = [entry for entry in loaded.entries if entry.key == "database_url"]
    assert (url.text, url.value, url.secret) == (*["postgresql://ann:...@db/trail"] * 2, True)
    assert "t0kent0ken" not in repr(loaded)
    assert "0123456789" not in repr(loaded)
    assert "sk-0...ghij" in repr(loaded.entries)


UNKNOWN = [
    ({"AIBRIDGE_HTTP_ADRESS": "x"}, None, "AIBRIDGE_HTTP_ADRESS", "AIBRIDGE_HTTP_ADDRESS"),
    ({"AIBRIDGE_ANTROPIC_KEY": "x"}, None, "AIBRIDGE_ANTROPIC_KEY", "AIBRIDGE_ANTHROPIC_KEY"),
    (
        {
            "AIBRIDGE_PROVIDER_1_BASEURL": "x",
            "AIBRIDGE_PROVIDER_0_TYPE": "openai",
            "AIBRIDGE_PROVIDER_1_TYPE": "anthropic",
        },
        None,
        "AIBRIDGE_PROVIDER_1_BASEURL",
        "AIBRIDGE_PROVIDER_1_BASE_URL",
    ),
    ({"AIBRIDGE_PORT": "4001"}, None, "AIBRIDGE_PORT", ""),
    ({}, 'http_adress = "x"', "aibridge.toml: http_adress", "http_address"),
    ({}, "[timeouts]\nconect = 1", "aibridge.toml: timeouts.conect", "timeouts.connect"),
    ({}, '[[providers]]\ntype = "openai"\nbase = "x"', "aibridge.toml: providers[0].base", "base_url"),
    ({}, "[entirely]\ndifferent = 1", "aibridge.toml: entirely", ""),
]


@pytest.mark.parametrize(("environ", "toml", "where", "near"), UNKNOWN, ids=lambda part: str(part)[:40])
def test_an_unknown_name_is_a_warning_and_with_strictness_a_problem(load, problems, environ, toml, where, near):
    """It is named, with the nearest known name, and nothing else is lost by it."""
    (warning,) = load(environ, toml).warnings
    assert where in warning
    assert "is not a known setting" in warning
    assert (f"did you mean {near}?" in warning) if near else ("AIBRIDGE_PORT" in warning or "mean" not in warning)
    assert problems(environ, toml, strict=True) == warning


KUBERNETES = {
    "AIBRIDGE_SERVICE_HOST": "10.0.171.239",
    "AIBRIDGE_SERVICE_PORT": "4001",
    "AIBRIDGE_SERVICE_PORT_HTTP": "4001",
    "AIBRIDGE_SERVICE_PORT_METRICS_2": "2112",
    "AIBRIDGE_PORT": "tcp://10.0.171.239:4001",
    "AIBRIDGE_PORT_4001_TCP": "tcp://10.0.171.239:4001",
    "AIBRIDGE_PORT_4001_TCP_PROTO": "tcp",
    "AIBRIDGE_PORT_4001_TCP_PORT": "4001",
    "AIBRIDGE_PORT_4001_TCP_ADDR": "10.0.171.239",
    "AIBRIDGE_PORT_53_UDP": "udp://10.0.171.239:53",
    "AIBRIDGE_PROXY_PORT": "tcp://10.0.0.1:8888",
    "AIBRIDGE_PROXY_SERVICE_HOST": "10.0.0.1",
    "AIBRIDGE_METRICS_PORT_2112_TCP_ADDR": "10.0.0.2",
    "CODER_SERVICE_HOST": "10.0.0.3",
    "CODER_AIBRIDGE_SERVICE_HOST": "10.0.0.4",
}
CLIENTS = {"AIBRIDGE_URL": "http://x", "AIBRIDGE_TOKEN": "t", "AIBRIDGE_TEST_DATABASE": "x", "AIBRIDGE_CONFIG": "x"}
SOMEBODY_ELSE = {
    "CODER_URL": "x",
    "CODER_AIBRIDGE_NEW_THING": "x",
    "PATH": "/bin",
    "AIBRIDGE": "x",
    "MY_AIBRIDGE_X": "x",
}


@pytest.mark.parametrize("environ", [KUBERNETES, CLIENTS, SOMEBODY_ELSE], ids=["kubernetes", "clients", "others"])
def test_variables_of_others_are_nobodys_business(load, environ):
    """What Kubernetes, our own clients and other products set neither warns nor breaks a strict start."""
    assert load(environ, strict=True) == load()


DORMANT = [
    "INJECT_CODER_MCP_TOOLS", "PROXY_ENABLED",
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"])
@pytest.mark.parametrize("name", DORMANT)
def test_a_known_name_without_effect_warns_and_starts(load, name, prefix):
    """Settings of features that this version lacks don't break a strict start, and the warning shows no value."""
    loaded = load({prefix + name: "secret-value"}, strict=True)
    (warning,) = loaded.warnings
    assert warning.startswith(f"{prefix}{name} is known but has no effect in this version")
    assert "secret-value" not in warning
    assert loaded.settings == load().settings


def test_dormant_names_in_the_file_warn_too(load):
    """File keys are the same names in lower case."""
    loaded = load({}, "proxy_enabled = true\ninject_coder_mcp_tools = true\n", strict=True)
    assert [warning.partition(" is known")[0].rpartition(" ")[2] for warning in loaded.warnings] == [
        "proxy_enabled", "inject_coder_mcp_tools",
    ]  # fmt: skip


def test_metrics_have_names_without_a_products_prefix(load):
    """Two variables that other deployments set for all of their services; a third one is not known to be ours."""
    named = {"CODER_PROMETHEUS_ENABLE": "true", "CODER_PROMETHEUS_ADDRESS": "127.0.0.1:9", "CODER_PROMETHEUS_X": "y"}
    loaded = load(named, strict=True)
    assert loaded.warnings == ()
    assert (loaded.settings.prometheus.enable, loaded.settings.prometheus.address) == (True, "127.0.0.1:9")


def test_traces_have_names_without_a_products_prefix(load):
    """Three variables, as metrics have two."""
    named = {"CODER_TRACE_ENABLE": "true", "CODER_TRACE_ENDPOINT": "collector:4317", "CODER_TRACE_LOGS": "true"}
    loaded = load(named, strict=True)
    assert loaded.warnings == ()
    tracing = loaded.settings.tracing
    assert (tracing.enable, tracing.endpoint, tracing.logs) == (True, "collector:4317", True)


def test_enabled_warns_unless_it_asks_for_what_happens(load):
    """`ENABLED=false` does not stop a gateway that is started; `ENABLED=true` has its way."""
    assert load({"CODER_AIBRIDGE_ENABLED": "true"}).warnings == ()
    (warning,) = load({"CODER_AIBRIDGE_ENABLED": "false"}).warnings
    assert "the gateway runs when it is started" in warning


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = ", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"providers = 3", "[[providers]]"),
        (b"timeouts = 3", "[timeouts]"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, content, reason):
    """The message names the file and what is wrong with it."""
    file = tmp_path / "aibridge.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_settings(flags={}, environ={}, file=file)
    (problem,) = refused.value.problems
    assert str(file) in problem
    assert reason in problem


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    """A named file has to be there."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            load_settings(flags={}, environ={}, file=path)


def test_which_file_is_read(tmp_path):
    """The flag's file, else the variable's, else the one here, else the user's, else none."""
    here, user, named = tmp_path / "here", tmp_path / "user", tmp_path / "named.toml"
    here.mkdir()
    user.mkdir()
    places = {"folder": here, "user_folder": user}
    assert find_file(None, {}, **places) is None
    (user / "aibridge.toml").touch()
    assert find_file(None, {}, **places) == user / "aibridge.toml"
    (here / "aibridge.toml").touch()
    assert find_file(None, {"AIBRIDGE_CONFIG": ""}, **places) == here / "aibridge.toml"
    assert find_file(None, {"AIBRIDGE_CONFIG": "/etc/x.toml"}, **places) == Path("/etc/x.toml")
    assert find_file(named, {"AIBRIDGE_CONFIG": "/etc/x.toml"}, **places) == named


def test_a_flag_that_was_never_declared_is_a_mistake_of_the_caller(load):
    """Unlike an operator's mistake it is not collected."""
    with pytest.raises(TypeError, match="http_adress"):
        load(flags={"http_adress": "x"})


def origin(loaded, key):
    return next(str(entry.origin) for entry in loaded.entries if entry.key == key)
