"""The reference page is what the tables say."""

from pathlib import Path

from aibridge_adapters.telemetry.metrics.reference import page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_is_up_to_date() -> None:
    """Written again by `python -m aibridge_adapters.telemetry.metrics.reference docs/reference/metrics.md`."""
    assert (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8") == page()
