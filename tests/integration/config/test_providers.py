"""Provider instances: how they are configured, what is refused, what is left out."""

import pytest

from aibridge_adapters.config import ProviderSettings
from aibridge_adapters.config_sources.provider_types import PROVIDER_TYPES
from aibridge_core.providers.registry import KINDS

KEY, OTHER = "sk-0123456789abcdefghij", "sk-jihgfedcba9876543210"
URL = "http://10.0.0.7:8000/v1/"


def provider(type: str, name: str = "", base_url: str = "", *keys: str) -> ProviderSettings:
    url = base_url or PROVIDER_TYPES[type].base_url
    known = url.startswith(("https://api.openai.com/", "https://chatgpt.com/"))
    return ProviderSettings(type=type, name=name or type, base_url=url, keys=keys, websockets=known)


def numbered(*providers: dict[str, str], prefix: str = "AIBRIDGE_") -> dict[str, str]:
    """Variables of numbered providers."""
    return {f"{prefix}PROVIDER_{n}_{key}": value for n, fields in enumerate(providers) for key, value in fields.items()}


GOOD = {
    "type is enough": ({"TYPE": "anthropic"}, provider("anthropic")),
    "type in capitals": ({"TYPE": "OpenAI"}, provider("openai")),
    "all fields": (
        {"TYPE": "openai", "NAME": "eu-1", "BASE_URL": URL, "KEY": KEY},
        provider("openai", "eu-1", URL, KEY),
    ),
    "several keys": ({"TYPE": "openai", "KEYS": f"{KEY}, {OTHER}"}, provider("openai", "", "", KEY, OTHER)),
    "ChatGPT": (
        {"TYPE": "openai", "NAME": "chatgpt"},
        provider("openai", "chatgpt", "https://chatgpt.com/backend-api/codex"),
    ),
    "ChatGPT elsewhere": (
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": URL},
        provider("openai", "chatgpt", URL),
    ),
    "OpenAI's format": (
        {"TYPE": "openai-compat", "NAME": "local", "BASE_URL": URL},
        provider("openai-compat", "local", URL),
    ),
}


@pytest.mark.parametrize("prefix", ["AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"])
@pytest.mark.parametrize(("fields", "expected"), GOOD.values(), ids=GOOD)
def test_a_numbered_provider(load, fields, expected, prefix):
    """Type, name, address and keys come from variables under any one prefix."""
    assert load(numbered(fields, prefix=prefix)).settings.providers == (expected,)


@pytest.mark.parametrize(("fields", "expected"), GOOD.values(), ids=GOOD)
def test_a_provider_in_the_file(load, fields, expected):
    """The same fields in lower case, in a `[[providers]]` table."""
    lines = "".join(f'{name.lower()} = "{value}"\n' for name, value in fields.items())
    assert load(toml="[[providers]]\n" + lines).settings.providers == (expected,)


def test_keys_in_the_file_may_be_a_list(load):
    """TOML has arrays, so commas are not needed."""
    loaded = load(toml=f'[[providers]]\ntype = "openai"\nkeys = ["{KEY}", "{OTHER}"]')
    assert loaded.settings.providers[0].keys == (KEY, OTHER)


def test_a_key_comes_from_a_file(load, tmp_path):
    """`KEY_FILE` in variables, `key_file` beside the configuration file, and in the short form."""
    (tmp_path / "key").write_text(KEY + "\r\n")
    path = str(tmp_path / "key")
    for loaded in (
        load(numbered({"TYPE": "openai", "KEY_FILE": path})),
        load({"AIBRIDGE_OPENAI_KEY_FILE": path}),
        load(toml='[[providers]]\ntype = "openai"\nkey_file = "key"'),
        load(toml='openai_key_file = "key"'),
    ):
        assert loaded.settings.providers == (provider("openai", "", "", KEY),)


def test_several_keys_come_from_a_file(load, tmp_path):
    """One on each line; comments and empty lines are none."""
    (tmp_path / "keys").write_text(f"# accounts\n{KEY}\n\n  {OTHER} # the new one\r\n")
    for loaded in (
        load(numbered({"TYPE": "openai", "KEYS_FILE": str(tmp_path / "keys")})),
        load(toml='[[providers]]\ntype = "openai"\nkeys_file = "keys"'),
    ):
        assert loaded.settings.providers[0].keys == (KEY, OTHER)
        assert loaded.warnings == ()


def test_what_a_provider_is_not_sent(load):
    """Names of headers and of betas, as a text with commas or as a list."""
    for loaded in (
        load(numbered({"TYPE": "anthropic", "DROP_HEADERS": "X-App, x-y", "DROP_BETAS": "a-1,b-2"})),
        load(toml='[[providers]]\ntype = "anthropic"\ndrop_headers = ["X-App", "x-y"]\ndrop_betas = ["a-1", "b-2"]'),
    ):
        (found,) = loaded.settings.providers
        assert (found.drop_headers, found.drop_betas) == (("X-App", "x-y"), ("a-1", "b-2"))


def test_providers_keep_their_order(load):
    """Numbers are numbers, not texts: 10 comes after 9."""
    fields = [{"TYPE": "openai", "NAME": f"p{n}"} for n in range(12)]
    assert [p.name for p in load(numbered(*fields)).settings.providers] == [f"p{n}" for n in range(12)]


REFUSED = {
    "a header that is needed": (
        numbered({"TYPE": "anthropic", "DROP_HEADERS": "x-app,Content-Type"}),
        'AIBRIDGE_PROVIDER_0_DROP_HEADERS = "x-app,Content-Type": Content-Type is reserved',
    ),
    "no type": (numbered({"NAME": "x"}), "AIBRIDGE_PROVIDER_0_TYPE is missing"),
    "unknown type": (numbered({"TYPE": "mistral"}), 'AIBRIDGE_PROVIDER_0_TYPE = "mistral": unknown provider type'),
    "a gap": (
        numbered({"TYPE": "openai"}, {}, {"TYPE": "anthropic"}),
        "AIBRIDGE_PROVIDER_1_TYPE is missing: providers are numbered from 0 without a gap",
    ),
    "not from 0": (numbered({}, {"TYPE": "openai"}), "AIBRIDGE_PROVIDER_0_TYPE is missing"),
    "a huge number": ({"AIBRIDGE_PROVIDER_999999999_TYPE": "openai"}, "AIBRIDGE_PROVIDER_0_TYPE is missing"),
    "bad name": (
        numbered({"TYPE": "openai", "NAME": "My_Provider"}),
        'AIBRIDGE_PROVIDER_0_NAME: invalid provider name "My_Provider": '
        "must contain only lowercase alphanumeric characters and hyphens",
    ),
    "hyphen first": (numbered({"TYPE": "openai", "NAME": "-x"}), 'invalid provider name "-x"'),
    "two hyphens": (numbered({"TYPE": "openai", "NAME": "a--b"}), 'invalid provider name "a--b"'),
    "line end in a name": (numbered({"TYPE": "openai", "NAME": "a\nb"}), "invalid provider name"),
    "the same name": (numbered({"TYPE": "openai"}, {"TYPE": "openai"}), 'duplicate provider name: "openai"'),
    "the same name as one left out": (
        numbered({"TYPE": "azure", "NAME": "x", "BASE_URL": URL}, {"TYPE": "openai", "NAME": "x"}),
        'duplicate provider name: "x"',
    ),
    "short form and number": (
        numbered({"TYPE": "anthropic"}) | {"AIBRIDGE_ANTHROPIC_KEY": KEY},
        'AIBRIDGE_ANTHROPIC_KEY: duplicate provider name: "anthropic" (also defined by AIBRIDGE_PROVIDER_0)',
    ),
    "two prefixes": (
        numbered({"TYPE": "openai"}) | {"CODER_AIBRIDGE_PROVIDER_1_TYPE": "anthropic"},
        "AIBRIDGE_PROVIDER_0_TYPE and CODER_AIBRIDGE_PROVIDER_1_TYPE: providers are numbered under one prefix only",
    ),
    "short forms that disagree": (
        {"AIBRIDGE_OPENAI_KEY": KEY, "CODER_AIBRIDGE_OPENAI_KEY": OTHER},
        "AIBRIDGE_OPENAI_KEY and CODER_AIBRIDGE_OPENAI_KEY are names of one setting, and they disagree",
    ),
    "key and keys": (numbered({"TYPE": "openai", "KEY": KEY, "KEYS": OTHER}), "KEY and KEYS are mutually exclusive"),
    "key and file": (
        {"AIBRIDGE_OPENAI_KEY": KEY, "AIBRIDGE_OPENAI_KEY_FILE": "x"},
        "KEY and KEY_FILE are mutually excl",
    ),
    "no keys": (numbered({"TYPE": "openai", "KEYS": " , "}), "no keys provided"),
    "a key twice": (numbered({"TYPE": "openai", "KEYS": f"{KEY},{KEY}"}), "duplicate key sk-0...ghij"),
    "six keys": (numbered({"TYPE": "openai", "KEYS": "a,b,c,d,e,f"}), "6 keys provided; allowed: 1 to 5"),
    "no address": (numbered({"TYPE": "openrouter"}), "needs a base URL, type openrouter has no default"),
    "bad address": (numbered({"TYPE": "openai", "BASE_URL": "api.openai.com"}), 'BASE_URL = "api.openai.com"'),
}


@pytest.mark.parametrize(("environ", "problem"), REFUSED.values(), ids=REFUSED)
def test_refused(problems, environ, problem):
    """One problem, which names the variable."""
    (line,) = problems(environ).splitlines()
    assert problem in line
    assert KEY not in line


@pytest.mark.parametrize(
    "name",
    [
        "interceptions",
        "sessions",
        "models",
        "clients",
        "providers",
        "users",
        "openapi.json",
        "healthz",
        "readyz",
        "admin",
        "api",
    ],
)
def test_a_name_that_is_a_route_of_ours_is_refused(problems, name):
    """Such a provider could never be reached."""
    assert f'reserved provider name "{name}"' in problems(numbered({"TYPE": "openai", "NAME": name}))


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('[[providers]]\nname = "x"', "aibridge.toml: providers[0].type is missing"),
        ('[[providers]]\ntype = "openai"\n[[providers]]\ntype = "openai"', 'duplicate provider name: "openai"'),
        ('openai_key = "k"\n[[providers]]\ntype = "openai"', 'duplicate provider name: "openai"'),
        ('[[providers]]\ntype = "openai"\nkeys = 3', "providers[0].keys"),
        ('[[providers]]\ntype = "openai"\nkeys = []', "no keys provided"),
        ('[[providers]]\ntype = "openai"\nkeys = [1]', "a text in quotes is needed"),
        ("[[providers]]\ntype = 3", 'providers[0].type = "3": unknown provider type'),
    ],
)
def test_refused_in_the_file(problems, toml, problem):
    """One problem, which names the file and the table."""
    (line,) = problems(toml=toml).splitlines()
    assert problem in line


@pytest.mark.parametrize("prefix", ["AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"])
def test_short_forms_make_providers_named_for_their_type(load, prefix):
    """A key or an address is enough; only the providers that are mentioned exist."""
    assert load({f"{prefix}ANTHROPIC_KEY": KEY}).settings.providers == (provider("anthropic", "", "", KEY),)
    environ = {f"{prefix}OPENAI_BASE_URL": URL, f"{prefix}ANTHROPIC_KEY": KEY}
    assert load(environ).settings.providers == (provider("anthropic", "", "", KEY), provider("openai", "", URL))
    assert load(toml=f'openai_base_url = "{URL}"').settings.providers == (provider("openai", "", URL),)


def test_short_form_beside_numbered_providers_of_other_names(load):
    """They add up."""
    loaded = load(numbered({"TYPE": "openai", "NAME": "eu"}) | {"AIBRIDGE_ANTHROPIC_KEY": KEY})
    assert [p.name for p in loaded.settings.providers] == ["eu", "anthropic"]


def test_the_environment_completes_a_provider_of_the_file(load):
    """The file says what there is, the environment holds the key; it replaces any key of the file."""
    toml = f'[[providers]]\ntype = "anthropic"\nbase_url = "{URL}"\nkeys = ["{OTHER}"]\n[[providers]]\ntype = "openai"'
    loaded = load({"AIBRIDGE_ANTHROPIC_KEY": KEY}, toml)
    assert loaded.settings.providers == (provider("anthropic", "", URL, KEY), provider("openai"))
    origins = {entry.key: str(entry.origin) for entry in loaded.entries}
    assert origins["providers.anthropic.keys"] == "AIBRIDGE_ANTHROPIC_KEY"
    assert origins["providers.anthropic.base_url"].endswith("aibridge.toml: providers[0].base_url")
    assert origins["providers.openai.base_url"] == "default"


def test_one_name_can_not_have_two_types(problems):
    """Otherwise requests would go where one of the two sources didn't mean them to go."""
    text = problems(
        {"AIBRIDGE_OPENAI_KEY": KEY}, f'[[providers]]\ntype = "vercel"\nname = "openai"\nbase_url = "{URL}"'
    )
    assert 'provider "openai" has two types: openai (AIBRIDGE_OPENAI_KEY) and vercel' in text


@pytest.mark.parametrize("type_name", [row.name for row in PROVIDER_TYPES.values() if row.left_out])
def test_a_provider_that_is_not_served_is_left_out_loudly(load, type_name):
    """The others are served, and the warning names the provider and why."""
    other = {"TYPE": type_name, "NAME": "mine", "DUMP_DIR": "/x"}
    loaded = load(numbered({"TYPE": "openai"}, other), strict=True)
    assert loaded.settings.providers == (provider("openai"),)
    (warning,) = loaded.warnings
    assert warning.startswith('provider "mine" (AIBRIDGE_PROVIDER_1) IS LEFT OUT: ')


def test_what_is_meant_for_bedrock_does_not_go_to_anthropic(load):
    """Bedrock's settings without a key: AWS is asked, numbered or in the short form."""
    for environ in (
        numbered({"TYPE": "anthropic", "BEDROCK_REGION": "us-west-2"}),
        {"CODER_AIBRIDGE_BEDROCK_REGION": "us-west-2", "ANTHROPIC_API_KEY": KEY},
    ):
        (only,) = load(environ).settings.providers
        assert only.base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"
        assert (only.type, only.keys, only.bedrock.region) == ("anthropic", (), "us-west-2")


def test_bedrocks_addresses_and_regions(load):
    """The base URL wins, and names the region if it is one of AWS's own."""
    mantle = {"TYPE": "bedrock", "BEDROCK_PROTOCOL": "mantle", "BEDROCK_REGION": "eu-west-1"}
    private = {
        "TYPE": "bedrock",
        "NAME": "b",
        "BASE_URL": "https://vpce-1.bedrock-runtime.ap-south-1.vpce.amazonaws.com",
    }
    first, second = load(numbered(mantle, private)).settings.providers
    assert first.base_url == "https://bedrock-mantle.eu-west-1.api.aws/anthropic"
    assert second.bedrock.region == "ap-south-1"


@pytest.mark.parametrize(
    ("fields", "control_url"),
    [
        ({"BEDROCK_REGION": "eu-west-1"}, "https://bedrock.eu-west-1.amazonaws.com"),
        ({"BASE_URL": "https://bedrock-runtime.eu-west-1.amazonaws.com/"}, "https://bedrock.eu-west-1.amazonaws.com"),
        (
            {"BASE_URL": "https://bedrock-runtime-fips.us-east-1.amazonaws.com"},
            "https://bedrock-fips.us-east-1.amazonaws.com",
        ),
        ({"BASE_URL": "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"}, ""),
        ({"BASE_URL": "https://bedrock-runtime.eu-west-1.amazonaws.com.evil.example"}, ""),
        ({"BASE_URL": URL, "BEDROCK_REGION": "eu-west-1"}, ""),
        (
            {"BASE_URL": URL, "BEDROCK_REGION": "eu-west-1", "BEDROCK_CONTROL_URL": "https://c.example"},
            "https://c.example",
        ),
    ],
)
def test_bedrocks_control_plane(load, fields, control_url):
    """AWS's own beside AWS's own; elsewhere only what the operator says, since nobody knows what else is there."""
    (only,) = load(numbered({"TYPE": "bedrock", **fields})).settings.providers
    assert only.bedrock.control_url == control_url


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"TYPE": "bedrock"}, "region or base url required"),
        ({"TYPE": "bedrock", "BASE_URL": URL}, "BEDROCK_REGION is missing"),
        ({"TYPE": "bedrock", "BEDROCK_REGION": "r", "BEDROCK_ACCESS_KEY": "a"}, "must be provided together"),
        ({"TYPE": "bedrock", "BEDROCK_REGION": "r", "BEDROCK_EXTERNAL_ID": "e"}, "goes with BEDROCK_ROLE_ARN"),
        ({"TYPE": "bedrock", "BEDROCK_REGION": "r", "BEDROCK_PROTOCOL": "x"}, "allowed: invoke_model, mantle"),
        ({"TYPE": "openai", "BEDROCK_REGION": "r"}, "only providers of type anthropic or bedrock"),
    ],
)
def test_bedrock_refused(problems, fields, problem):
    """Each reason names what to set."""
    assert problem in problems(numbered(fields))


def test_the_secret_of_an_access_key_is_never_shown(load, tmp_path):
    """It comes from a file too, and shows masked."""
    (tmp_path / "secret").write_text("the-secret-of-the-access-key\n")
    fields = {"TYPE": "bedrock", "BEDROCK_REGION": "r", "BEDROCK_ACCESS_KEY": "AKIA1"}
    loaded = load(numbered(fields | {"BEDROCK_ACCESS_KEY_SECRET_FILE": str(tmp_path / "secret")}))
    (only,) = loaded.settings.providers
    assert only.bedrock.access_key_secret == "the-secret-of-the-access-key"
    assert "the-secret" not in repr(loaded.settings)
    assert all("the-secret-of" not in entry.text for entry in loaded.entries)


def test_with_a_key_bedrocks_settings_have_no_effect(load):
    """The key says where requests go; each setting without effect is named."""
    environ = {"AIBRIDGE_ANTHROPIC_KEY": KEY, "AIBRIDGE_BEDROCK_MODEL": "m", "AIBRIDGE_BEDROCK_REGION": "r"}
    loaded = load(environ)
    assert loaded.settings.providers == (provider("anthropic", "", "", KEY),)
    assert [warning.split()[0] for warning in loaded.warnings] == ["AIBRIDGE_BEDROCK_MODEL", "AIBRIDGE_BEDROCK_REGION"]


def test_bedrocks_short_forms_don_t_claim_a_name(load):
    """A numbered provider called anthropic is served beside them."""
    loaded = load(numbered({"TYPE": "anthropic", "KEY": KEY}) | {"AIBRIDGE_BEDROCK_REGION": "r"})
    assert loaded.settings.providers == (provider("anthropic", "", "", KEY),)
    assert "AIBRIDGE_BEDROCK_REGION has no effect" in loaded.warnings[0]


def test_the_sdks_keys_serve_the_default_providers_and_no_others(load):
    """With nothing configured, ANTHROPIC_API_KEY is the central key and a note says so; else it means nothing."""
    loaded = load({"ANTHROPIC_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:4001/openai/v1"})
    assert loaded.settings.providers == (provider("anthropic", "", "", KEY), provider("openai"))
    (note,) = loaded.notes
    assert "anthropic with the central key of ANTHROPIC_API_KEY" in note
    assert "openai without a central key" in note
    assert KEY not in note
    configured = load({"ANTHROPIC_API_KEY": KEY} | numbered({"TYPE": "anthropic"}))
    assert configured.settings.providers == (provider("anthropic"),)
    assert configured.notes == ()


def test_a_provider_that_nobody_can_use_is_worth_a_warning(load):
    """No central key, and users may not bring theirs."""
    loaded = load(numbered({"TYPE": "openai"}, {"TYPE": "anthropic", "KEY": KEY}) | {"AIBRIDGE_ALLOW_BYOK": "false"})
    assert loaded.warnings == ('provider "openai" has no key and allow_byok is off: all its requests will be refused',)


def test_every_type_that_is_served_can_be_built():
    """The table of types and the core's registry agree."""
    assert {row.name for row in PROVIDER_TYPES.values() if not row.left_out} == {*KINDS, "bedrock"}


@pytest.mark.parametrize(
    ("fields", "tunnelled"),
    [
        ({"TYPE": "openai"}, True),
        ({"TYPE": "openai", "NAME": "chatgpt"}, True),
        ({"TYPE": "openai", "WEBSOCKETS": "false"}, False),
        ({"TYPE": "openai", "BASE_URL": URL}, False),
        ({"TYPE": "openai", "BASE_URL": "https://api.openai.com.evil.example/v1/"}, False),
        ({"TYPE": "openai", "BASE_URL": URL, "WEBSOCKETS": "true"}, True),
    ],
)
def test_websockets_are_on_where_they_are_known_to_work(load, fields, tunnelled):
    """The operator has the last word."""
    (found,) = load(numbered(fields)).settings.providers
    assert found.websockets is tunnelled


@pytest.mark.parametrize("fields", [{"TYPE": "copilot"}, {"TYPE": "openai", "NAME": "chatgpt"}])
def test_a_users_own_service_takes_no_central_key(load, problems, fields):
    """Copilot and ChatGPT are paid for by whoever is logged in."""
    (only,) = load(numbered(fields)).settings.providers
    assert only.base_url in ("https://api.individual.githubcopilot.com", "https://chatgpt.com/backend-api/codex")
    assert "takes no central key" in problems(numbered(fields | {"KEY": KEY}))


def test_switches_of_a_provider(load, problems):
    """On by default, each off by itself, and nothing else is taken for off."""
    off = {"TYPE": "openai", "ENABLED": "false", "ALLOW_BYOK": "no"}
    first, second = load(numbered(off, {"TYPE": "anthropic"})).settings.providers
    assert (first.enabled, first.allow_byok, second.enabled, second.allow_byok) == (False, False, True, True)
    assert "AIBRIDGE_PROVIDER_0_ENABLED" in problems(numbered(off | {"ENABLED": "perhaps"}))
