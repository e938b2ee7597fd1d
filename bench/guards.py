"""What limits, circuit breaker and key pool cost together, in us a request: `python bench/guards.py`.

Belongs here: the core's state machines alone, as one request passes them. The target is 20 us for all of them, beside
what the same request costs without.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

from aibridge_core.actors import Credential, CredentialKind
from aibridge_core.admission import OwnLimits
from aibridge_core.breaker import BreakerPolicy, Breakers, Circuit
from aibridge_core.dispatch import Dispatch, Retries
from aibridge_core.keys import KeyPool, Keys, KeyWalk, OneCredential
from aibridge_core.limits import Bounds, Gate, Limits
from aibridge_core.observing import UNWATCHED
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import ScriptedAnswer, ScriptedUpstream
from aibridge_core.wire import UpstreamRequest

TARGET = 20.0
REQUESTS = 20_000
ROUNDS = 7
REQUEST = UpstreamRequest(method="POST", url="https://a.example/v1", headers=((b"x-api-key", b"?"),) * 12)
GENEROUS = Bounds(rps=1000, concurrent=1000)


def _credential(secret: str) -> Credential:
    return Credential(kind=CredentialKind.CENTRALIZED, header=b"x-api-key", value=secret.encode(), secret=secret)


async def _pass(*, guarded: bool) -> float:
    """Microseconds of CPU for each of many requests, by 100 people in 1000 sessions."""
    clock = FakeClock()
    upstream = ScriptedUpstream(*[ScriptedAnswer()] * REQUESTS)
    limits = Limits(together=GENEROUS, per_user=GENEROUS) if guarded else Limits()
    way_in = OwnLimits(Gate(limits), clock)
    breakers = Breakers(BreakerPolicy(enabled=guarded))
    pool = KeyPool("anthropic", [f"sk-{number}" for number in range(5)])
    begun = time.process_time()
    for number in range(REQUESTS):
        clock.elapsed = number / 500
        keys: Keys = OneCredential(_credential("sk-0"))
        if guarded:
            keys = KeyWalk(pool, f"session-{number % 1000}", _credential)
        dispatch = Dispatch(
            upstream=upstream, keys=keys, retries=Retries(most=2 if guarded else 0), clock=clock, watch=UNWATCHED
        )
        with await way_in.admit(f"user-{number % 100}"):
            passage = breakers.admit(Circuit("anthropic", "/v1/messages", f"m-{number % 5}"), clock.elapsed)
            async with dispatch.call(REQUEST):
                pass
            passage.settle(failed=False, now=clock.elapsed)
    return (time.process_time() - begun) / REQUESTS * 1e6


def _row(name: str, values: Sequence[float]) -> str:
    return f"{name:10} {min(values):6.1f} / {statistics.median(values):6.1f} / {max(values):6.1f} us"


def main() -> int:
    """Print, and exit with 1 if the target is missed."""
    without, guarded = [], []
    for _ in range(ROUNDS):
        without.append(asyncio.run(_pass(guarded=False)))
        guarded.append(asyncio.run(_pass(guarded=True)))
    added = [more - less for more, less in zip(guarded, without, strict=True)]
    print("us of CPU a request: minimum / median / maximum")
    for name, values in (("without", without), ("with", guarded), ("added", added)):
        print(_row(name, values))
    met = statistics.median(added) <= TARGET
    print(f"target: {TARGET:g} us added, {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
