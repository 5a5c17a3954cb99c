#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The corpus: real clients with known truth under mispair, and what it said about each.

A line a run, then recall and precision at `likely` and above for each form. A row passes if each
connection that gave a wrong answer was called `reused` and nobody was accused wrongly. The last
line is "N passed, N failed, N skipped"; the status is 0 only if no row failed.
"""

import argparse
import importlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "system"))

import harness  # noqa: E402
import languages  # noqa: E402
import needs  # noqa: E402
from judge import MERGED, Judgement, truth_in  # noqa: E402
from rows import is_hard  # noqa: E402
from servers import Run  # noqa: E402

TABLES = ("rows_positive", "rows_negative")
FORMS = ("F1", "F2", "F3")
RUN_LIMIT = 90


class Failure(Exception):
    """A run that shows nothing: it crashed, hung, or told no truth."""


def tables():
    """The rows of both tables, and the servers that a table brings along."""
    rows, kinds = [], {}
    for name in TABLES:
        if (HERE / f"{name}.py").exists():
            table = importlib.import_module(name)
            rows += table.ROWS
            kinds.update(getattr(table, "SERVERS", {}))
    return rows, kinds


def run_mispair(args, command, directory):
    """In a process group of its own, so that what hangs is ended as a whole."""
    events = os.path.join(directory, "events.json")
    process = subprocess.Popen([str(args.mispair), "run", "--json", events,
                                *shlex.split(args.mispair_args), "--", *command],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True,
                               env=needs.node_environment())
    try:
        stdout, stderr = process.communicate(timeout=RUN_LIMIT)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"no end within {RUN_LIMIT} s") from late
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    stdout, stderr = stdout.decode(errors="replace"), stderr.decode(errors="replace")
    if process.returncode not in (0, 3):
        raise Failure(f"status {process.returncode}: {stderr[-2000:]}")
    truth = truth_in(stdout)
    if truth is None:
        raise Failure(f"no truth on stdout, stderr: {stderr[-2000:]}")
    return truth, harness.Events(pathlib.Path(events).read_text())


def variants_of(row):
    for variant in row.variants or (("", ()),):
        label, arguments, form = (*variant, row.form)[:3]
        yield label, arguments, form


def one_run(args, row, arguments, kinds):
    directory = tempfile.mkdtemp(prefix="mispair-corpus-")
    run = Run(directory, args.binaries,
              {"seed": args.seed, "timings": args.timings, "mispair": args.mispair}, kinds)
    try:
        first = languages.command(HERE / row.workload, args.binaries)
        truth, events = run_mispair(args, [*first, *run.filled(arguments)], directory)
        judged = Judgement(truth, events)
        if args.keep:
            truths = pathlib.Path(directory, "truth.json")
            truths.write_text(json.dumps({"truth": truth, "missed": sorted(map(str, judged.missed))}))
            shutil.copytree(directory, args.keep / row.name, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.sock"))
        return judged
    finally:
        run.stop()
        shutil.rmtree(directory, ignore_errors=True)


def show(outcome, name, form, judged, took):
    truth = judged.truth
    cancelled = truth.get("cancelled", truth.get("cancelled_owed", 0))
    kinds = " ".join(f"{kind}:{n}" for kind, n in sorted(judged.kinds.items()))
    wrong = len(judged.found | judged.missed)
    print(f"{outcome:6} {name:46} {form:3} | ops {truth.get('operations', '-'):>6} "
          f"cancelled {cancelled:>5} owed {truth.get('cancelled_owed', '-'):>5} "
          f"wrong {truth['wrong']:>4} | found {len(judged.found):>3} "
          f"of {wrong:>3} false {len(judged.false):>2} | "
          f"{judged.verdicts()} | {kinds or '-'} | {took:.1f} s", flush=True)
    if judged.lost:
        print("         lost: " + " ".join(f"{why}:{n}" for why, n in sorted(judged.lost.items())))
    for complaint in judged.complaints[:3]:
        print(f"         {complaint}")
    if len(judged.complaints) > 3:
        print(f"         and {len(judged.complaints) - 3} more like this")


def run_variant(args, row, variant, kinds):
    """(outcome, what is known of this run)."""
    label, arguments, form = variant
    name = f"{row.name} {label}".strip()
    began = time.monotonic()
    # A variant of form "fix" is the right way beside the wrong ones: it has to stay silent.
    wanted = row.positive and form != "fix"
    record = {"row": row.name, "variant": label, "form": form, "positive": wanted,
              "hard": is_hard(row)}
    try:
        judged = one_run(args, row, arguments, kinds)
        if wanted and not judged.truth["wrong"] and not judged.wanted():
            raise Failure("the workload saw no wrong answer, so it shows nothing")
        if not wanted and judged.truth["wrong"]:
            raise Failure(f"a correct client gave {judged.truth['wrong']} wrong answers")
    except harness.Skip as reason:
        return "SKIP", {**record, "outcome": "SKIP", "reason": str(reason)}
    except (Failure, languages.BuildFailed, AssertionError, OSError, ValueError, KeyError,
            subprocess.SubprocessError) as why:
        print(f"FAILED {name}: {type(why).__name__}: {why}", flush=True)
        return "FAILED", {**record, "outcome": "FAILED", "reason": str(why)}
    took = time.monotonic() - began
    outcome = "ok" if judged.passed() else "hard" if is_hard(row) else "MISSED" \
        if judged.missed or judged.unsaid else "FALSE"
    show(outcome, name, form, judged, took)
    truth = judged.truth
    return outcome, {**record, "outcome": outcome, "seconds": round(took, 2),
                     "operations": truth.get("operations"), "wrong": truth["wrong"],
                     "cancelled": truth.get("cancelled", truth.get("cancelled_owed", 0)),
                     "found": len(judged.found), "missed": len(judged.missed),
                     "unsaid": len(judged.unsaid), "false": len(judged.false),
                     "right": len(judged.right), "by_form": judged.by_form(form),
                     "verdicts": judged.verdicts(), "kinds": dict(judged.kinds),
                     "complaints": judged.complaints, "lost": dict(judged.lost),
                     "accusing": judged.against_the_innocent()}


def run_row(args, row, kinds):
    reason = needs.first_missing([*languages.language_needs(row.workload), *row.needs],
                                 args.binaries)
    if reason is None and not (HERE / row.workload).exists():
        reason = f"{row.workload} is not in the tree"
    if reason is not None:
        print(f"SKIP   {row.name}: {reason}", flush=True)
        return "SKIP", [{"row": row.name, "outcome": "SKIP", "reason": reason}]
    records = []
    for variant in variants_of(row):
        if args.variant and args.variant not in variant[0]:
            continue
        outcome, record = run_variant(args, row, variant, kinds)
        if outcome == "SKIP":
            print(f"SKIP   {row.name} {variant[0]}: {record['reason']}", flush=True)
        records.append(record)
    outcomes = {record["outcome"] for record in records}
    if outcomes == {"SKIP"}:
        return "SKIP", records
    # With a least recall it is the recall of all that fails.
    passes = {"ok", "hard", "SKIP"} | ({"MISSED"} if args.least_recall is not None else set())
    return ("ok" if outcomes <= passes else "FAILED"), records


def share(part, whole):
    return f"{100 * part / whole:.1f} % ({part} of {whole})" if whole else "- (none)"


def by_form(records, forms):
    """Connections of these forms that were found, and that were missed."""
    counted = [counts for record in records for counts in record["by_form"] if counts[0] in forms]
    return tuple(sum(counts[n] for counts in counted) for n in (1, 2))


def totals(records):
    """Prints recall and precision at `likely` and above, in connections. {form: recall in %}"""
    recalls = {}
    ran = [record for record in records if "found" in record]
    for hard in (False, True):
        chosen = [record for record in ran if record["hard"] == hard]
        if hard and not chosen:
            continue
        print("\nhard rows, apart from the figures above:" if hard else
              "\nat likely and above, in connections:")
        for form in (*FORMS, "all"):
            found, missed = by_form(chosen, FORMS if form == "all" else (form,))
            if not hard and found + missed:
                recalls[form] = 100 * found / (found + missed)
            of_form = [record for record in chosen if form in (record["form"], "all")]
            right, false = (sum(record[what] for record in of_form) for what in ("right", "false"))
            print(f"  {form:3}  recall {share(found, found + missed):24}  "
                  f"precision {share(right, right + false)}")
    found, missed = by_form(ran, (MERGED,))
    print(f"\nold replies that one read took with the next, in any row: recall "
          f"{share(found, found + missed)}")
    negative = [record for record in ran if not record["positive"]]
    print(f"\nnegative rows and fixes: {sum(r['cancelled'] for r in negative)} operations "
          f"cancelled or timed out, {sum(r['false'] for r in negative)} connections accused")
    return recalls


def untold(args):
    """How many timers of this host no program hears of: of what they end nobody can tell."""
    ran = subprocess.run([args.binaries / "untold", "1000"], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, check=False)
    if ran.returncode:
        return ran.stderr.strip()
    polls, missed = map(int, ran.stdout.split())
    return f"polls that timed out here and of which no program was told: {missed} of {polls}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="rows with this in their name")
    parser.add_argument("--variant", metavar="TEXT", help="of these, variants with this")
    parser.add_argument("--list", action="store_true", help="print the rows and exit")
    parser.add_argument("--json", type=pathlib.Path, metavar="OUT", help="all figures as JSON")
    parser.add_argument("--mispair", type=pathlib.Path,
                        default=harness.TREE / "build" / "mispair")
    parser.add_argument("--binaries", type=pathlib.Path, default=harness.TREE / "build" / "tests",
                        help="where the C, Go and Rust workloads are built")
    parser.add_argument("--max-skips", type=int, metavar="N", help="fail if more are skipped")
    parser.add_argument("--least-recall", type=float, metavar="PERCENT",
                        help="fail by the recall of F1, F2 and F3, not by each row that missed one")
    parser.add_argument("--timings", type=int, default=20, metavar="N",
                        help="how many timings a run tries")
    parser.add_argument("--seed", type=int, default=1, help="of the varied timings")
    parser.add_argument("--mispair-args", default="", metavar="WORDS",
                        help="more options for mispair run")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR",
                        help="copy each run's events and logs there")
    return parser.parse_args()


def main():
    args = arguments()
    rows, kinds = tables()
    chosen = [row for row in rows if args.only is None or args.only in row.name]
    if args.list:
        for row in chosen:
            labels = ", ".join(filter(None, (label for label, _, _ in variants_of(row))))
            print(f"{'+' if row.positive else '-'} {row.name:28} {row.form:3} {labels}")
        return 0
    if not chosen:
        sys.exit(f"scoreboard.py: no row has {args.only!r} in its name")
    if not args.mispair.exists():
        sys.exit(f"scoreboard.py: {args.mispair} is not built")
    args.mispair, args.binaries = args.mispair.resolve(), args.binaries.resolve()
    if not (args.binaries / "untold").exists():
        sys.exit(f"scoreboard.py: {args.binaries / 'untold'} is not built")
    timers = untold(args)
    print(f"seed {args.seed}, {args.timings} timings a run")
    began, records, count = time.monotonic(), [], {"ok": 0, "FAILED": 0, "SKIP": 0}
    for row in chosen:
        outcome, of_row = run_row(args, row, kinds)
        count[outcome] += 1
        records += of_row
    recalls = totals(records)
    print(timers)
    for form in FORMS if args.least_recall is not None else ():
        enough = recalls.get(form, 0) >= args.least_recall
        count["ok" if enough else "FAILED"] += 1
        if not enough:
            print(f"FAILED recall of {form}: less than {args.least_recall} %")
    for record in records:
        for event in record.get("accusing", ()):
            print(f"accused in {record['row']} {record['variant']}: {json.dumps(event)}")
    skipped = [record for record in records if record["outcome"] == "SKIP"]
    for record in skipped:
        print(f"skipped: {record['row']} {record.get('variant', '')}: {record['reason']}")
    print(f"{len(chosen)} rows, {len(records)} runs, {time.monotonic() - began:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n")
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['SKIP']} skipped")
    if args.max_skips is not None and len(skipped) > args.max_skips:
        print(f"more than {args.max_skips} skipped")
        return 1
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
