"""Servers and their policy from environment and file; what is refused, and that secrets don't show."""

import pytest

from aibridge_adapters.config import McpServerSettings, Settings, ToolSettings
from aibridge_adapters.config_sources import ConfigError, Loaded, load_settings

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ONE = {"AIBRIDGE_MCP_0_NAME": "wiki", "AIBRIDGE_MCP_0_URL": "https://wiki.example/mcp"}


def load(environ: dict[str, str], tmp_path=None, toml: str | None = None) -> Loaded:
    file = None
    if toml is not None:
        file = tmp_path / "aibridge.toml"
        file.write_text(toml, encoding="utf-8")
    return load_settings(flags={}, environ=environ, file=file, strict=True)


def problems(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        load(environ)
    return "\n".join(refused.value.problems)


def test_without_servers_there_is_only_the_policy() -> None:
    """No server, and the defaults that the documentation names."""
    settings = load({}).settings
    assert settings.mcp == ()
    assert settings.tools == ToolSettings()
    assert settings.tools.skip_models.pattern == "haiku"


def test_a_server_needs_a_name_and_a_url() -> None:
    """Two variables are enough; everybody gets all of its tools."""
    (server,) = load(ONE).settings.mcp
    assert server == McpServerSettings(name="wiki", url="https://wiki.example/mcp")
    assert (server.users, server.timeout) == (("*",), 60.0)


@pytest.mark.parametrize("prefix", ["AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"])
def test_every_field_comes_from_the_environment(prefix: str) -> None:
    """Each variable of a server, under each prefix."""
    given = {
        "NAME": "wiki",
        "URL": "https://wiki.example/mcp",
        "TOOL_ALLOW_REGEX": "^read_",
        "TOOL_DENY_REGEX": "secret",
        "HEADERS": "X-Team=blue, X-Env = prod",
        "TOKEN": "the-token",
        "TIMEOUT": "2m",
        "USERS": "ann, bob",
    }
    (server,) = load({f"{prefix}MCP_0_{name}": text for name, text in given.items()}).settings.mcp
    assert server.tool_allow is not None
    assert server.tool_deny is not None
    assert (server.tool_allow.pattern, server.tool_deny.pattern) == ("^read_", "secret")
    assert server.headers == (("X-Team", "blue"), ("X-Env", "prod"))
    assert (server.token, server.timeout, server.users) == ("the-token", 120.0, ("ann", "bob"))


def test_every_field_comes_from_the_file(tmp_path) -> None:
    """A table for each server; headers are a table, users a list, and a token's file lies beside."""
    (tmp_path / "token").write_text("from-a-file\n")
    toml = """
[tools]
timeout = "90s"
users = ["ann"]
skip_models = "(?!)"

[[mcp]]
name = "wiki"
url = "https://wiki.example/mcp"
headers = { X-Team = "blue" }
token_file = "token"

[[mcp]]
name = "code"
url = "http://10.0.0.7:8000/mcp"
users = ["bob", "carl"]
timeout = 5
"""
    settings = load({}, tmp_path, toml).settings
    wiki, code = settings.mcp
    assert (wiki.headers, wiki.token) == ((("X-Team", "blue"),), "from-a-file")
    assert (wiki.users, wiki.timeout) == (("ann",), 90.0)
    assert (code.users, code.timeout) == (("bob", "carl"), 5.0)
    assert settings.tools.skip_models.search("claude-haiku") is None


@pytest.mark.parametrize(
    ("given", "auth"),
    [({}, "none"), ({"TOKEN": "t"}, "shared"), ({"HEADERS": "X-Team=blue"}, "shared"), ({"AUTH": "user"}, "user")],
)
def test_how_the_gateway_is_known_to_a_server(given: dict[str, str], auth: str) -> None:
    """By what is given, unless it is said; a server that wants a token of each user needs a key to seal them."""
    more = {f"AIBRIDGE_MCP_0_{name}": text for name, text in given.items()}
    settings = load(ONE | more | {"AIBRIDGE_SECRETS_KEY": KEY}).settings
    assert settings.mcp[0].auth == auth
    assert settings.secrets_key == (bytes(range(32)),)


def test_several_keys_and_their_alphabets(tmp_path) -> None:
    """With commas or line ends between, in either alphabet of base64, with or without padding; never shown."""
    other = "_-" + "A" * 41
    file = tmp_path / "keys"
    file.write_text(f"{KEY.rstrip('=')}\n{other}\n", encoding="utf-8")
    loaded = load({"AIBRIDGE_SECRETS_KEY_FILE": str(file)})
    first, second = loaded.settings.secrets_key
    assert (first, second[:2]) == (bytes(range(32)), b"\xff\xe0")
    (entry,) = [entry for entry in loaded.entries if entry.key == "secrets_key"]
    assert entry.text.startswith("sha256:630dcd29, sha256:")
    assert KEY[:8] not in repr(loaded)


def test_headers_as_json() -> None:
    """For values that hold commas."""
    (server,) = load(ONE | {"AIBRIDGE_MCP_0_HEADERS": '{"X-List": "a,b"}'}).settings.mcp
    assert server.headers == (("X-List", "a,b"),)


def test_the_environment_completes_a_server_of_the_file(tmp_path) -> None:
    """By name and field by field: the file says what there is, the token stays in the environment."""
    toml = '[[mcp]]\nname = "wiki"\nurl = "https://wiki.example/mcp"\ntoken = "old"\ntool_deny_regex = "x"\n'
    (server,) = load({"AIBRIDGE_MCP_0_NAME": "wiki", "AIBRIDGE_MCP_0_TOKEN": "new"}, tmp_path, toml).settings.mcp
    assert (server.url, server.token) == ("https://wiki.example/mcp", "new")
    assert server.tool_deny is not None


def test_common_settings_hold_for_servers_that_say_nothing() -> None:
    """`AIBRIDGE_MCP_USERS` and `AIBRIDGE_MCP_TIMEOUT`."""
    common = {"AIBRIDGE_MCP_USERS": "ann", "AIBRIDGE_MCP_TIMEOUT": "7"}
    (server,) = load(ONE | common).settings.mcp
    assert (server.users, server.timeout) == (("ann",), 7.0)
    (server,) = load(ONE | common | {"AIBRIDGE_MCP_0_USERS": "*"}).settings.mcp
    assert server.users == ("*",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AIBRIDGE_MCP_0_NAME": ""}, "AIBRIDGE_MCP_0_NAME is missing"),
        ({"AIBRIDGE_MCP_0_NAME": "My Wiki"}, 'AIBRIDGE_MCP_0_NAME: invalid MCP server name "My Wiki"'),
        ({"AIBRIDGE_MCP_0_NAME": "a" * 33}, "at most 32 characters"),
        ({"AIBRIDGE_MCP_0_URL": ""}, 'MCP server "wiki" (AIBRIDGE_MCP_0) needs a url'),
        ({"AIBRIDGE_MCP_0_URL": "stdio:///bin/sh"}, "AIBRIDGE_MCP_0_URL"),
        ({"AIBRIDGE_MCP_0_URL": "https://u:pass-word@x/mcp"}, "credentials don't belong"),
        ({"AIBRIDGE_MCP_0_TOOL_ALLOW_REGEX": "("}, 'AIBRIDGE_MCP_0_TOOL_ALLOW_REGEX = "(": that is no regular'),
        ({"AIBRIDGE_MCP_0_TIMEOUT": "0"}, "AIBRIDGE_MCP_0_TIMEOUT"),
        ({"AIBRIDGE_MCP_0_USERS": "*,ann"}, "* is everybody"),
        ({"AIBRIDGE_MCP_0_HEADERS": "no equals sign"}, "AIBRIDGE_MCP_0_HEADERS"),
        ({"AIBRIDGE_MCP_0_HEADERS": "Host=evil"}, "Host is set by the gateway itself"),
        ({"AIBRIDGE_MCP_0_HEADERS": "Mcp-Session-Id=1"}, "Mcp-Session-Id is set by the gateway itself"),
        ({"AIBRIDGE_MCP_0_HEADERS": '{"X": "a\\nb"}'}, "a header is a name"),
        ({"AIBRIDGE_MCP_0_HEADERS": "X=1,x=2"}, "a header stands in it twice"),
        (
            {"AIBRIDGE_MCP_0_TOKEN": "tok", "AIBRIDGE_MCP_0_HEADERS": "Authorization=Basic x"},
            "has a token and a header Authorization",
        ),
        ({"AIBRIDGE_MCP_0_TOKEN": "tok", "AIBRIDGE_MCP_0_TOKEN_FILE": "/x"}, "mutually exclusive"),
        ({"AIBRIDGE_MCP_1_NAME": "wiki", "AIBRIDGE_MCP_1_URL": "http://x/"}, 'duplicate MCP server name "wiki"'),
        ({"AIBRIDGE_MCP_2_NAME": "other"}, "AIBRIDGE_MCP_1_NAME is missing"),
        ({"CODER_AIBRIDGE_MCP_1_NAME": "other"}, "under one prefix only"),
        ({"AIBRIDGE_MCP_0_COMMAND": "npx"}, "AIBRIDGE_MCP_0_COMMAND is not a known setting"),
        ({"AIBRIDGE_MCP_0_TOOL_ALLOW_REGX": "x"}, "did you mean AIBRIDGE_MCP_0_TOOL_ALLOW_REGEX?"),
        ({"AIBRIDGE_MCP_0_AUTH": "oauth"}, "allowed: none, shared, user"),
        ({"AIBRIDGE_MCP_0_AUTH": "user"}, "so secrets_key (--secrets-key-file, AIBRIDGE_SECRETS_KEY) is needed"),
        ({"AIBRIDGE_MCP_0_AUTH": "user", "AIBRIDGE_MCP_0_TOKEN": "tok"}, "has auth = user, so it can't have a token"),
        ({"AIBRIDGE_MCP_0_AUTH": "none", "AIBRIDGE_MCP_0_TOKEN": "tok"}, "has auth = none"),
        ({"AIBRIDGE_MCP_0_AUTH": "shared"}, "has auth = shared, and neither a token nor headers"),
        ({"AIBRIDGE_SECRETS_KEY": "too-short"}, "AIBRIDGE_SECRETS_KEY"),
        ({"AIBRIDGE_SECRETS_KEY": f"{KEY},{KEY}"}, "a key stands in it twice"),
        ({"AIBRIDGE_MCP_MAX_TURNS": "0"}, "AIBRIDGE_MCP_MAX_TURNS"),
        ({"AIBRIDGE_MCP_MAX_RESULT": "10"}, "AIBRIDGE_MCP_MAX_RESULT"),
    ],
)
def test_what_is_refused(changes: dict[str, str], words: str) -> None:
    """Each problem names its variable and says what is wrong."""
    assert words in problems(ONE | changes)


def test_secrets_are_masked_wherever_they_show() -> None:
    """In the listing, in messages, in the repr of the settings."""
    secret = "very-secret-value-of-a-token"
    loaded = load(ONE | {"AIBRIDGE_MCP_0_TOKEN": secret, "AIBRIDGE_MCP_0_HEADERS": f"X-Key={secret}"})
    shown = repr(loaded) + "".join(f"{entry.text} {entry.value}" for entry in loaded.entries)
    assert secret not in shown
    assert "very...oken" in shown
    bad = problems(ONE | {"AIBRIDGE_MCP_0_TOKEN": secret + " x", "AIBRIDGE_MCP_0_HEADERS": f"Host={secret}"})
    assert secret not in bad
    assert secret not in repr(Settings(mcp=loaded.settings.mcp))
