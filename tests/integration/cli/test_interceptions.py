"""`aibridge interceptions` against a real HTTP server that answers as the REST API is documented."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from integration.cli.api_server import ApiServer, interception
from integration.cli.running import Command

TOKEN = {"AIBRIDGE_TOKEN": "aib_token"}


def test_lists_results_alone_as_indented_json(aibridge: Command, api: ApiServer) -> None:
    """Away from a terminal the list is JSON, two spaces deep, exactly the API's results."""
    api.body = {"count": 7, "results": [interception()]}

    done = aibridge("interceptions", "list", AIBRIDGE_URL=api.url, **TOKEN)

    assert done.exit_code == 0
    assert json.loads(done.stdout) == [interception()]
    assert done.stdout.startswith('[\n  {\n    "id"')
    assert api.asked[0].path == "/api/v2/aibridge/interceptions"
    assert api.asked[0].params == {"limit": "100"}
    assert api.asked[0].authorization == "Bearer aib_token"


def test_an_empty_list_is_an_empty_array(aibridge: Command, api: ApiServer) -> None:
    """A script that reads the list always finds JSON."""
    assert aibridge("interceptions", "list", "--url", api.url, **TOKEN).stdout == "[]\n"


def test_jsonl_is_one_interception_a_line(aibridge: Command, api: ApiServer) -> None:
    """`--output jsonl` suits tools that read line by line."""
    api.body = {"count": 2, "results": [interception(id="a"), interception(id="b")]}

    lines = aibridge("interceptions", "list", "-o", "jsonl", "--url", api.url, **TOKEN).stdout.splitlines()

    assert [json.loads(line)["id"] for line in lines] == ["a", "b"]


def test_filters_become_one_search_text(aibridge: Command, api: ApiServer) -> None:
    """Every filter is a term of `q`; values with spaces or colons are quoted."""
    done = aibridge(
        "interceptions", "list", "--url", api.url, "--initiator", "ann", "--provider", "anthropic",
        "--provider-name", "main", "--model", "vendor:large", "--client", "Claude Code", "--status", "failed",
        "--session", "s 1", "--started-after", "2026-01-02T03:04:05+02:00",
        "--started-before", "2026-01-02T03:04:05.25Z", "--after-id", "i9", "--limit", "5", **TOKEN,
    )  # fmt: skip

    assert done.exit_code == 0
    params = dict(api.asked[0].params)
    assert params.pop("q").split(" ") == [
        "initiator:ann", "provider:anthropic", "provider_name:main", 'model:"vendor:large"', 'client:"Claude', 'Code"',
        "status:failed", 'started_after:"2026-01-02T01:04:05Z"', 'started_before:"2026-01-02T03:04:05.250000Z"',
        'session_id:"s', '1"',
    ]  # fmt: skip
    assert params == {"limit": "5", "after_id": "i9"}


def test_a_duration_means_so_long_ago(aibridge: Command, api: ApiServer) -> None:
    """`--started-after 2h` needs no calculator."""
    aibridge("interceptions", "list", "--url", api.url, "--started-after", "2h", **TOKEN)

    sent = datetime.fromisoformat(api.asked[0].params["q"].removeprefix('started_after:"').removesuffix('"'))
    # The only reading of the real clock in these tests: the command has no other.
    assert abs(sent - (datetime.now(UTC) - timedelta(hours=2))) < timedelta(minutes=5)  # noqa: TID251


@pytest.mark.parametrize("limit", ["0", "1001", "-3"])
def test_a_limit_out_of_range_is_refused_before_asking(aibridge: Command, api: ApiServer, limit: str) -> None:
    """The range is checked here, so that the message names it."""
    done = aibridge("interceptions", "list", "--limit", limit, "--url", api.url, **TOKEN)

    assert (done.exit_code, done.stderr) == (2, "Error: limit value must be between 1 and 1000\n")
    assert api.asked == []


@pytest.mark.parametrize("limit", ["1", "1000"])
def test_both_ends_of_the_range_are_allowed(aibridge: Command, api: ApiServer, limit: str) -> None:
    """1 and 1000 are limits like any other."""
    assert aibridge("interceptions", "list", "--limit", limit, "--url", api.url, **TOKEN).exit_code == 0


@pytest.mark.parametrize(
    ("flag", "value", "beginning"),
    [
        ("--started-before", "yesterday", 'Error: parse started before filter value "yesterday": '),
        ("--started-after", "2026-01-02", 'Error: parse started after filter value "2026-01-02": '),
        ("--started-after", "2026-13-02T03:04:05Z", 'Error: parse started after filter value "2026-13-02T03:04:05Z": '),
        ("--started-after", "99999999999w", 'Error: parse started after filter value "99999999999w": '),
        ("--started-after", "999999w", 'Error: parse started after filter value "999999w": '),
        ("--model", "", "Error: the filter value of model is empty"),
        ("--client", 'a"b', "Error: the filter value of client can't contain a double quote"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(
    aibridge: Command, api: ApiServer, flag: str, value: str, beginning: str
) -> None:
    """A wrong filter never becomes a list of everything."""
    done = aibridge("interceptions", "list", flag, value, "--url", api.url, **TOKEN)

    assert done.exit_code == 2
    assert done.stderr.startswith(beginning)
    assert done.stderr.count("\n") == 1
    assert api.asked == []


def test_the_api_says_what_is_wrong(aibridge: Command, api: ApiServer) -> None:
    """Message, detail and field notes of the API stand on one line."""
    api.status = 400
    api.body = {
        "message": "Invalid search query.",
        "detail": "See the fields.",
        "validations": [{"field": "initiator", "detail": 'user "x" does not exist'}],
    }

    done = aibridge("interceptions", "list", "--initiator", "x", "--url", api.url, **TOKEN)

    assert done.exit_code == 1
    assert done.stderr == (
        'Error: list interceptions: Invalid search query. See the fields. initiator: user "x" does not exist\n'
    )


def test_a_refused_token_names_the_variable(aibridge: Command, api: ApiServer) -> None:
    """401 says where the token came from, never what it was."""
    api.status, api.body = 401, {"message": "This gateway token is not valid."}

    done = aibridge("interceptions", "list", "--url", api.url, AIBRIDGE_TOKEN="aib_secret")

    assert done.exit_code == 1
    assert "AIBRIDGE_TOKEN" in done.stderr
    assert "aib_secret" not in done.output


def test_without_a_token_it_says_how_to_make_one(aibridge: Command) -> None:
    """The message holds the next command."""
    done = aibridge("interceptions", "list")

    assert done.exit_code == 1
    assert "AIBRIDGE_TOKEN" in done.stderr
    assert "aibridge tokens create" in done.stderr


def test_a_gateway_that_is_not_there(aibridge: Command, api: ApiServer) -> None:
    """Connection refused is one line that says what to start or set."""
    done = aibridge("interceptions", "list", "--url", "http://127.0.0.1:1", **TOKEN)

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: list interceptions: can't reach http://127.0.0.1:1")
    assert "aibridge serve" in done.stderr
    assert "AIBRIDGE_URL" in done.stderr


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>"), (200, b"<html>"), (302, b""), (200, b"[1]")])
def test_something_that_is_no_gateway(aibridge: Command, api: ApiServer, status: int, body: bytes) -> None:
    """A web server of another kind is named as such, without a traceback."""
    api.status, api.body = status, body

    done = aibridge("interceptions", "list", "--url", api.url, **TOKEN)

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: list interceptions: ")
    assert "gateway" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:4001", "ftp://host", "http://"])
def test_an_address_that_is_none(aibridge: Command, url: str) -> None:
    """A forgotten `http://` is wrong usage."""
    done = aibridge("interceptions", "list", "--url", url, **TOKEN)

    assert done.exit_code == 2
    assert "http://127.0.0.1:4001" in done.stderr


def test_the_token_may_stand_in_a_file(aibridge: Command, api: ApiServer, tmp_path) -> None:
    """A file wins over the variable, and its last newline doesn't count."""
    (tmp_path / "token").write_text("aib_of_file\n")

    aibridge("interceptions", "list", "--token-file", str(tmp_path / "token"), "--url", api.url, **TOKEN)

    assert api.asked[0].authorization == "Bearer aib_of_file"


def test_a_token_of_two_lines_is_refused(aibridge: Command, api: ApiServer) -> None:
    """A token is never split over headers."""
    done = aibridge("interceptions", "list", "--url", api.url, AIBRIDGE_TOKEN="aib\nx-evil: 1")

    assert done.exit_code == 1
    assert api.asked == []


def test_the_table_shows_an_interception_on_a_line(aibridge: Command, api: ApiServer) -> None:
    """Tokens are summed, prompts shortened to one line."""
    api.body = {"count": 1, "results": [interception()]}

    lines = aibridge("interceptions", "list", "-o", "table", "--url", api.url, **TOKEN).stdout.splitlines()

    assert lines[0].split() == [
        "STARTED", "(UTC)", "USER", "CLIENT", "MODEL", "STATUS", "IN", "OUT", "CACHED", "TOOLS", "PROMPT", "ID",
    ]  # fmt: skip
    assert lines[1].split() == [
        "2026-01-02", "03:04:05", "ann", "Claude", "Code", "claude-x", "completed", "11", "6", "7", "1",
        "fix", "the", "build", "0190163d-8694-739b-aea5-966c26f8ad91",
    ]  # fmt: skip
    assert len(lines) == 2


def test_what_was_not_reported_is_no_zero(aibridge: Command, api: ApiServer) -> None:
    """An interception without usage shows a dash; a reported zero shows 0."""
    api.body = {"count": 2, "results": [interception(token_usages=[])]}

    line = aibridge("interceptions", "list", "-o", "table", "--url", api.url, **TOKEN).stdout.splitlines()[1]

    assert line.split()[7:10] == ["-", "-", "-"]


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202egpj [bold red]hi[/] :smile: \ud800"


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
def test_recorded_text_cannot_command_a_terminal(aibridge: Command, api: ApiServer, output: str) -> None:
    """Control characters are escaped in every format; markup and emoji codes are text like any other."""
    api.body = {
        "count": 1,
        "results": [interception(model="[red]x[/] :smile:", client=HOSTILE, user_prompts=[{"prompt": HOSTILE}])],
    }

    done = aibridge("interceptions", "list", "-o", output, "--url", api.url, **TOKEN)

    assert done.exit_code == 0
    assert not set(done.stdout) & set("\x1b\x07\x9b\u202e")
    assert "[red]x[/] :smile:" in done.stdout
    if output != "table":
        row = json.loads(done.stdout)
        assert (row if output == "jsonl" else row[0])["client"] == HOSTILE


def test_one_interception_in_full(aibridge: Command, api: ApiServer) -> None:
    """Who, when, prompt, tokens, tools with arguments and reasoning are there, readable without JSON."""
    api.body = interception(status="failed", error_type="overloaded", error_message="try later")

    done = aibridge("interceptions", "show", "0190163d-8694-739b-aea5-966c26f8ad91", "--url", api.url, **TOKEN)

    assert api.asked[0].path == "/api/v2/aibridge/interceptions/0190163d-8694-739b-aea5-966c26f8ad91"
    assert done.stdout.splitlines() == [
        "Interception 0190163d-8694-739b-aea5-966c26f8ad91",
        "  User        ann (Ann Lee), token aBcDeF1234",
        "  Client      Claude Code",
        "  User agent  claude-cli/1",
        "  Provider    anthropic",
        "  Model       claude-x",
        "  Status      failed",
        "  Error       overloaded: try later",
        "  Started     2026-01-02 03:04:05 UTC",
        "  Took        4.50 s",
        "  Session     s1",
        "  Credential  centralized sk-a...1234",
        "",
        "Prompt",
        "  fix the",
        "  build",
        "",
        "Tokens",
        "  input 10, output 4, cache read 7, cache write 0",
        "  input 1, output 2, cache read 0, cache write 3",
        "",
        "Tool Read",
        '  {"path":"a.py"}',
        "",
        "Reasoning (thinking)",
        "  look first",
    ]


def test_long_arguments_are_spread_over_lines(aibridge: Command, api: ApiServer) -> None:
    """A big tool call stays readable; one that broke off is shown as it came."""
    whole, broken = json.dumps({"path": "a.py", "text": "x" * 90}), '{"path": "' + "y" * 90
    api.body = interception(
        tool_usages=[
            {"tool": "Write", "input": whole},
            {"tool": "Write", "input": broken, "invocation_error": "no\x1b", "server_url": "http://mcp"},
        ]
    )

    lines = aibridge("interceptions", "show", "i1", "--url", api.url, **TOKEN).stdout.splitlines()

    assert '    "path": "a.py",' in lines
    assert f"  {broken}" in lines
    assert "Tool Write on http://mcp" in lines
    assert r"  failed: no\x1b" in lines


def test_one_interception_as_json(aibridge: Command, api: ApiServer) -> None:
    """`--output json` gives the API's object."""
    api.body = interception()

    done = aibridge("interceptions", "show", "i1", "-o", "json", "--url", api.url, **TOKEN)

    assert json.loads(done.stdout) == interception()


def test_a_hostile_page_in_full(aibridge: Command, api: ApiServer) -> None:
    """No field of an interception can command the terminal of its reader."""
    fields = "id model client provider_name status error_message session_id thread_root_id credential_hint api_key_id"
    hostile = dict.fromkeys(fields.split(), HOSTILE)
    api.body = interception(
        **hostile,
        initiator={"username": HOSTILE, "name": HOSTILE},
        metadata={"request_user_agent": HOSTILE},
        user_prompts=[{"prompt": HOSTILE}],
        tool_usages=[{"tool": HOSTILE, "input": HOSTILE, "server_url": HOSTILE, "invocation_error": HOSTILE}],
        model_thoughts=[{"content": HOSTILE, "metadata": {"source": HOSTILE}}],
        token_usages=[{"input_tokens": 1, "metadata": {HOSTILE: HOSTILE}}],
        started_at=HOSTILE,
    )

    done = aibridge("interceptions", "show", "i1", "--url", api.url, **TOKEN)

    assert done.exit_code == 0
    assert not set(done.stdout) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("text", ["../users/me", "a b", "", "é"])
def test_an_id_cannot_lead_elsewhere(aibridge: Command, api: ApiServer, text: str) -> None:
    """What is no id is never put into a path."""
    assert aibridge("interceptions", "show", text, "--url", api.url, **TOKEN).exit_code == 2
    assert api.asked == []


def test_an_interception_that_is_not_there(aibridge: Command, api: ApiServer) -> None:
    """The API's own words, behind what was attempted."""
    api.status, api.body = 404, {"message": "Interception not found."}

    done = aibridge("interceptions", "show", "i1", "--url", api.url, **TOKEN)

    assert (done.exit_code, done.stderr) == (1, "Error: show interception: Interception not found.\n")
