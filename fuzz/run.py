"""Fuzz the parsers with atheris, which learns from the branches it reaches: `make fuzz`, or this file for one target.

    python fuzz/run.py                      all targets, 30 seconds each
    python fuzz/run.py sse --seconds 600    one of them for longer

What a target promises is in tests/support/fuzzing.py; the test suite asks the same of fewer bytes. Inputs that break a
promise are left in this folder as `crash-...`. Belongs here: running. Never: a target.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
INSTRUMENTED = ("aibridge_core", "aibridge_adapters")


def main() -> int:
    """Run targets one after the other; the number of those that broke is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", help="one target; default: all")
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        import atheris  # noqa: F401, PLC0415
    except ImportError:
        print("skipped: atheris isn't installed here; `pip install atheris` (it has wheels for Linux and some Pythons)")
        return 0
    sys.path.insert(0, str(TESTS))
    if given.inside:
        fuzz(given.target, given.seconds)
    names = [given.target] if given.target else targets()
    return sum(run(name, given.seconds) for name in names)


def targets() -> list[str]:
    """All names."""
    from support.fuzzing import TARGETS  # noqa: PLC0415

    return list(TARGETS)


def run(name: str, seconds: int) -> bool:
    """Whether a target broke. Each has a process of its own: libFuzzer ends the one it runs in."""
    print(f"== {name}", flush=True)
    command = [sys.executable, __file__, name, "--inside", "--seconds", str(seconds)]
    return subprocess.run(command, check=False).returncode != 0


def fuzz(name: str, seconds: int) -> None:
    """Fuzz in this process; doesn't return."""
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from support.fuzzing import TARGETS  # noqa: PLC0415
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            Path(folder, str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-artifact_prefix={HERE}/",
            "-max_len=4096",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, folder], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
