"""What is recorded as the prompt is what a person said, in texts that real clients sent."""

import time

import pytest

from aibridge_core.prompts import APPENDICES, ASIDES, FRAMES, PREFACES, words_of

KILO = (
    "\n\n<environment_details>\nMessage time: 2026-11-22T10:05:42Z\nWorking directory: /home/ann/w\n"
    "Workspace root folder: /home/ann/w\n</environment_details>"
)
COPILOT = "<current_datetime>2026-11-22T10:11:33.240+00:00</current_datetime>\n\nPlease look at the readme"
AIDER = (
    "Please look at the readme\n\n# *SEARCH/REPLACE block* Rules:\n\n"
    "Every *SEARCH/REPLACE block* must use this format:\n1. The *FULL* file path alone on a line.\n- Etc.\n\n\n"
)
CURSOR = "<timestamp>Sunday, Nov 22, 2026</timestamp>\n<user_query>\nPlease look at the readme\n</user_query>"
CODEX_EDITOR = (
    "# Context from my IDE setup:\n\n## Active file: README.md\n\n## Open tabs:\n- README.md: README.md\n\n"
    "## My request for Codex:\nPlease look at the readme\n"
)
CLAUDE_TITLE = (
    "<session>\nPlease look at the readme\n</session>\n\n"
    "Write the title in the language the user wrote in, regardless of the language of the examples above."
)
VS_CODE = (
    "<attachments>\n<attachment>README.md</attachment>\n</attachments>\n<reminderInstructions>\nBe brief.\n"
    "</reminderInstructions>\n<userRequest>\nPlease look at the readme\n</userRequest>"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(COPILOT, id="Copilot's terminal client"),
        pytest.param(f"{COPILOT}\n\n<reminder>\nUse tools.\n</reminder>", id="the same, with a reminder"),
        pytest.param(AIDER, id="aider"),
        pytest.param(CURSOR, id="Cursor"),
        pytest.param(CODEX_EDITOR, id="Codex in an editor"),
        pytest.param(CLAUDE_TITLE, id="Claude Code, for a title"),
        pytest.param(VS_CODE, id="Copilot in VS Code"),
        pytest.param("<task>\nPlease look at the readme\n</task>", id="Cline's editor"),
        pytest.param(f"<user_message>\nPlease look at the readme\n</user_message>{KILO}", id="Roo Code"),
        pytest.param(
            "<system-reminder>\nA\n</system-reminder>\nPlease look at the readme", id="one text with a reminder"
        ),
    ],
)
def test_what_a_person_said(text: str) -> None:
    """Without the time, rules and frames that the client put around it."""
    assert words_of(text) == "Please look at the readme"


@pytest.mark.parametrize("text", [KILO, "<system-reminder>\nTodos are empty.\n</system-reminder>", "<task></task>"])
def test_texts_of_the_client_alone(text: str) -> None:
    """Nobody said anything."""
    assert words_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("  \n", id="white space"),
        pytest.param("  hello \n", id="white space around it"),
        pytest.param("is a < b, or a > b?", id="signs"),
        pytest.param("<div>hello</div>", id="markup of a person"),
        pytest.param("<context>the plan</context>\nSum it up", id="a person's own tags"),
        pytest.param("What is <system-reminder>x</system-reminder> for?", id="a tag in the middle"),
        pytest.param("Explain <task>x</task>", id="a frame that isn't all there is"),
        pytest.param("<system-reminder>never closed", id="an open tag"),
        pytest.param("never opened</system-reminder>", id="a closing tag"),
        pytest.param("# Context from my IDE setup:\nWhat is that?", id="a preface without its end"),
        pytest.param("Sum it up.\n\nWrite the title in bold.", id="a wish for a title"),
        pytest.param("never opened</userRequest>", id="a frame that isn't opened"),
        pytest.param("What are aider's # *SEARCH/REPLACE block* Rules: for?", id="a heading in the middle of a line"),
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    """What isn't marked as a client's is a person's, white space and all."""
    assert words_of(text) == text


@pytest.mark.parametrize("text", ["<reminder></reminder>" * 100_000 + "x", "<reminder>" * 200_000 + ">"])
def test_texts_that_are_made_to_cost(text: str) -> None:
    """A text of very many blocks is cut at most a few times."""
    began = time.perf_counter()
    assert words_of(text)
    assert time.perf_counter() - began < 1.0


def test_every_row_gives_its_reason() -> None:
    """The tables explain themselves."""
    assert all(row.why for row in (*ASIDES, *FRAMES, *PREFACES, *APPENDICES))
