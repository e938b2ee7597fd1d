"""Settings of what is kept and for how long: a mistake here deletes, so anything doubtful refuses the start."""

import pytest

from integration.config.conftest import Load, Problems

DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60d", 60 * DAY), ("24h", DAY), ("12w", 84 * DAY), ("1w2d", 9 * DAY), ("1h", 3600), ("0", 0), ("0d", 0)],
)
def test_periods(load: Load, text: str, seconds: float) -> None:
    """Whole hours, days and weeks; nothing at all is for ever. All three prefixes, and the file."""
    for prefix in ("AIBRIDGE_", "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"):
        assert load({f"{prefix}RETENTION": text}).settings.retention == seconds
    assert load(toml=f'retention = "{text}"').settings.retention == seconds


def test_sixty_days_unless_told_otherwise(load: Load) -> None:
    """Contents as long as their interceptions, and recorded as they are."""
    settings = load().settings
    assert (settings.retention, settings.prompt_retention, settings.record_content) == (60 * DAY, 0, "full")


def test_zero_in_the_file_needs_no_quotes(load: Load) -> None:
    """It is a number there."""
    assert load(toml="retention = 0").settings.retention == 0


@pytest.mark.parametrize("name", ["RETENTION", "PROMPT_RETENTION"])
@pytest.mark.parametrize("text", ["60", "6m", "90s", "-1d", "1.5d", "for ever", "60 d", "60D", "d", "1y", "0.5", "inf"])
def test_what_could_mean_two_things_is_refused(problems: Problems, name: str, text: str) -> None:
    """60 may be days or seconds, 6m months or minutes. The message names variable and value."""
    assert problems({f"AIBRIDGE_{name}": text}).startswith(f'AIBRIDGE_{name} = "{text}"')


def test_a_number_in_the_file_needs_a_unit_too(problems: Problems) -> None:
    """The message says what is missing."""
    assert 'retention = "60": the unit is missing' in problems(toml="retention = 60")


def test_contents_can_not_outlive_their_interceptions(load: Load, problems: Problems) -> None:
    """Refused, also against the default; the same period, and any while interceptions stay for ever, are fine."""
    text = problems({"AIBRIDGE_PROMPT_RETENTION": "61d"})
    assert text.startswith("AIBRIDGE_PROMPT_RETENTION = 61d: contents go with their interceptions")
    assert "60d (retention, default)" in text
    assert load({"AIBRIDGE_PROMPT_RETENTION": "60d"}).settings.prompt_retention == 60 * DAY
    assert load({"AIBRIDGE_PROMPT_RETENTION": "90d", "AIBRIDGE_RETENTION": "0"}).settings.prompt_retention == 90 * DAY


def test_hashes_need_a_key(load: Load, problems: Problems, tmp_path) -> None:
    """One that nobody guesses, from a variable or a file; the message says how to make one."""
    text = problems({"AIBRIDGE_RECORD_CONTENT": "hashed"})
    assert "AIBRIDGE_RECORD_CONTENT = hashed needs content_hash_key" in text
    assert "openssl rand -hex 32" in text
    assert "31 characters" in problems({"AIBRIDGE_RECORD_CONTENT": "hashed", "AIBRIDGE_CONTENT_HASH_KEY": "k" * 31})
    (tmp_path / "hash.key").write_text("k" * 64 + "\n")
    settings = load(toml='record_content = "hashed"\ncontent_hash_key_file = "hash.key"').settings
    assert settings.content_hash_key == "k" * 64


@pytest.mark.parametrize("word", ["full", "NONE"])
def test_the_other_ways_of_recording_need_nothing(load: Load, word: str) -> None:
    """In any letter case."""
    assert load({"AIBRIDGE_RECORD_CONTENT": word}).settings.record_content == word.lower()


def test_no_other_way_of_recording(problems: Problems) -> None:
    """The message lists them."""
    assert "allowed: full, hashed, none" in problems({"AIBRIDGE_RECORD_CONTENT": "some"})
