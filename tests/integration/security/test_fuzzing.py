"""Every parser takes any bytes: random ones, and good ones with something put in, taken out or repeated."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fuzzing import TARGETS


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to four changes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        middle = draw(st.one_of(st.binary(max_size=6), st.just(data[start:end] * 2), st.sampled_from(seeds)))
        data = data[:start] + middle + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_any_bytes(name: str) -> None:
    """What it promises holds, and it raises nothing but what it says it raises."""
    target = TARGETS[name]

    @given(st.one_of(mutated(target.seeds), st.binary(max_size=200)))
    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()
