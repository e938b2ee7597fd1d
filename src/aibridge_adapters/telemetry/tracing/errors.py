"""What can keep traces from being made. Belongs here: errors with texts for operators. Never: secrets."""


class TracingError(Exception):
    """Traces were asked for and can't be made. The text says what to do."""


class TracingNotInstalled(TracingError):
    """The packages of the extra `otel` are missing."""

    def __init__(self) -> None:
        super().__init__(
            "tracing is enabled, but OpenTelemetry is not installed; install it with: pip install 'aibridge[otel]'"
        )


class TracingNotOpened(TracingError):
    """The exporter can't be made of what the settings and the `OTEL_*` variables say."""
