"""Command `python -m benchmarks [NAME …]`, which times finetune against baselines, in turn within one run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from finetune.cli import Parser
from finetune.errors import FinetuneError, Problem, UserError

ROUNDS, QUICK_ROUNDS = 5, 2


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line. A mistake is reported in one line, and ends the program with status 2."""
    from benchmarks.suites import SUITES

    parser = Parser(
        prog="benchmarks",
        description="Times finetune against baselines, in turn within one run.",
        epilog="\n".join(f"{name:12}{about}" for name, about in SUITES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="suites to run; without a name, all of them")
    parser.add_argument("--quick", action="store_true", help="minutes: fewer images and rounds, to see that all runs")
    parser.add_argument(
        "--rounds", type=_rounds, metavar="N", help=f"timings a case ({ROUNDS}; {QUICK_ROUNDS} if quick)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), metavar="DIR", help="%(default)s")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in SUITES]
    if unknown:
        parser.error(f"no suite {', '.join(map(repr, unknown))}; choose from {', '.join(SUITES)}")
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    options.names = [name for name in SUITES if name in options.names or not options.names]
    return options


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text}; give a whole number, 1 or more")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites and return the exit status: 0, 1 if a suite failed, 2 for mistakes of the user."""
    options = parse(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    output = options.output.expanduser().resolve()
    try:
        if output.is_file():
            raise UserError(Problem(output, "a file", "--output takes a folder"))
        try:
            output.mkdir(parents=True, exist_ok=True)
            work = tempfile.TemporaryDirectory(dir=output, prefix=".work-")
        except OSError as error:
            raise UserError(
                Problem(output, f"can't be written to ({error.strerror})", "give another --output")
            ) from error
        with work:
            return _run(options, output, Path(work.name))
    except FinetuneError as error:
        for line in str(error).splitlines():
            print(f"benchmarks: {line}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"benchmarks: interrupted; what was measured is in {output}", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, output: Path, work: Path) -> int:
    import tensorflow as tf

    from benchmarks import machine, plot, report, suites
    from benchmarks.data import open_data
    from benchmarks.settings import Settings

    tf.get_logger().setLevel("ERROR")  # TensorFlow warns about tracing when there are many models
    found = machine.machine()
    print("\n".join(machine.lines(found)), flush=True)
    data = open_data(work, quick=options.quick)
    settings = Settings(data, options.rounds, options.quick)
    written = {"rounds": options.rounds, "quick": options.quick, "real_data": data.real, "suites": options.names}
    results, failed = [], False
    for name in options.names:
        print(f"benchmarks: {name}: {suites.SUITES[name]}", file=sys.stderr, flush=True)
        start = time.monotonic()
        try:
            result = suites.run(name, settings)
        except Exception as error:  # one failure must not cost the hours of the other suites
            traceback.print_exc()
            failed = True
            text = next(iter(str(error).splitlines()), "no message")
            result = report.Result(name, "Failed.", {}, notes=[f"{type(error).__name__}: {text}"])
        if options.quick:
            result.notes.append(f"A quick run{'' if data.real else ' on drawn faces'}: not to judge by.")
        result.seconds = time.monotonic() - start
        results.append(result)
        print("\n" + "\n".join(result.lines()), flush=True)
        report.write(output, results, found, written)
        if not plot.plot(output / "benchmarks.png", results):
            print("benchmarks: no picture, for matplotlib is missing", file=sys.stderr)
    print(f"benchmarks: figures, tables and picture are in {output}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the temporary folder is deleted
    sys.exit(main())
