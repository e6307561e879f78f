"""Measures Duly beside its peers and its floors: ``make bench``, or ``make bench B=drain``.

Each scenario measures all its contestants in turns and writes benchmarks/results/NAME.json after every round; what was
measured at another scale than 1 goes to .bench/results instead. At the end the tables of README.md and
docs/performance.md are made anew from benchmarks/results.
"""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.harness import machine, results, rounds
from benchmarks.harness.plan import Scenario
from benchmarks.harness.report import draw, print_table, write_documents
from benchmarks.harness.venvs import python_of
from benchmarks.scenarios.catalogue import SCENARIOS


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    given = arguments().parse_args()
    known = {scenario.name: scenario for scenario in SCENARIOS}
    if given.list:
        print("\n".join(map(listed, known.values())))
        return 0
    if unknown := [name for name in given.names if name not in known]:
        sys.exit(f"No such scenario: {', '.join(unknown)}. There are: {', '.join(known)}.")
    folder = given.out or (results.KEPT if given.scale == 1 else results.TRIED)
    if not given.report:
        failed = [name for name in given.names or known if not measured(known[name], folder, given)]
    else:
        failed = []
    if folder == results.KEPT:
        draw(results.KEPT)
        write_documents([scenario.name for scenario in SCENARIOS])
    print("".join(f"\nSomething failed in {name}." for name in failed), end="")
    return 1 if failed else 0


def listed(scenario: Scenario) -> str:
    """With the time that it is given, and the time that it took when it was measured last."""
    found = results.read(results.KEPT, scenario.name)
    took = f", took {found['minutes']:g}" if found and "minutes" in found else ""
    return f"{scenario.name:<18}{scenario.title} (at most {scenario.minutes:g} minutes{took})"


def measured(scenario: Scenario, folder: Path, given: argparse.Namespace) -> bool:
    """Whether everybody was measured."""
    wanted = given.rounds or scenario.rounds
    if given.missing and is_there(scenario, folder, wanted, given.scale):
        print(f"{scenario.name}: is there, of this commit")
        return True
    print(f"{scenario.name}: {scenario.title}", flush=True)
    for venv in dict.fromkeys(venv for one in scenario.contestants for venv in one.venvs):
        python_of(venv)
    done = rounds.run(scenario, wanted, given.scale, folder, given.only)
    result = results.read(folder, scenario.name)
    print_table(result)
    print(f"  {scenario.name} took {result['minutes']:g} minutes\n", flush=True)
    return not done.failures


def is_there(scenario: Scenario, folder: Path, wanted: int, scale: float) -> bool:
    found = results.read(folder, scenario.name)
    return (
        found is not None
        and not found["failures"]
        and (found["commit"], found["scale"]) == (machine.commit()["commit"], scale)
        and found["rounds wanted"] >= wanted
    )


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="scenarios; none: all")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--rounds", type=int, help="how often each contestant is measured (default: the scenario's)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything: 0.02 to see whether it runs")
    parser.add_argument("--only", nargs="+", default=(), metavar="CONTESTANT", help="measure these alone")
    parser.add_argument("--missing", action="store_true", help="skip what was measured at this commit: to go on")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--report", action="store_true", help="measure nothing; make the tables anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
