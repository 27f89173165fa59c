"""`python -m n2n study`: the report's figures and results, each by its name; the course's data."""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from n2n.cli import course_model, course_training
from n2n.cli.common import DONE, FAILED, StopFlag, add_device_arguments, say, stoppable
from n2n.data import course
from n2n.devices import place
from n2n.studies import STUDIES, Record, Source, Study, StudyRun, report, stored
from n2n.studies.record import OUT_OF_TIME

ALL, DATA, TRAIN, REPORT = "all", "data", "train", "report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What there is to study, each with its own options."""
    parser.epilog = "NAME --help tells the options of each, with their defaults."
    names = parser.add_subparsers(dest="study", required=True, metavar="NAME")
    for name, study in STUDIES.items():
        found = names.add_parser(name, help=study.question, description=study.question)
        _add_study_arguments(found, f"{study.budget_seconds:.0f}")
    summary = "every study, in this order"
    _add_study_arguments(names.add_parser(ALL, help=summary, description=summary), "of each")
    summary = "write train_data.pkl and val_data.pkl: a stand-in for the course's files"
    _add_data_arguments(names.add_parser(DATA, help=summary, description=summary))
    summary = "train our network for the course's data, within so much arithmetic"
    course_training.add_arguments(names.add_parser(TRAIN, help=summary, description=summary))
    summary = "write a page of the report's figures and numbers beside ours, from the records"
    _add_report_arguments(names.add_parser(REPORT, help=summary, description=summary))


def run(arguments: argparse.Namespace) -> int:
    """Run what was named; a study goes on with the curves that its record lacks."""
    if arguments.study == DATA:
        return _write_data(arguments)
    if arguments.study == TRAIN:
        return course_training.run(arguments)
    if arguments.study == REPORT:
        written = report.write(arguments.out, arguments.records, course_model.TEAMS)
        say(f"{written}, and its figures in {arguments.out / report.FIGURES}")
        return DONE
    chosen = list(STUDIES) if arguments.study == ALL else [arguments.study]
    source = Source(arguments.data, arguments.validation)
    failed = False
    with stoppable() as stop:
        for name in chosen:
            try:
                failed |= not _run_study(STUDIES[name], source, arguments, stop)
            except ValueError as error:  # such as too few pairs for this one
                if len(chosen) == 1:
                    raise
                failed = True
                say(f"{name}: {error}")
            if stop:
                break
    return FAILED if failed else DONE


def _add_study_arguments(parser: argparse.ArgumentParser, seconds: str) -> None:
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="for NAME.jsonl, every step of every curve, and NAME.png, the figure; a record that "
        "lies there already is completed",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a minute instead of hours, for NAME.quick.jsonl and NAME.quick.png: smaller "
        "pictures, fewer of them",
    )
    parser.add_argument(
        "--seconds-budget",
        type=float,
        metavar="SECONDS",
        help="shared by the curves; one that has used its share ends there, and the figure says "
        f"so (default: {seconds}; quick: 60)",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="measure anew the curves of the record that their share of the time ended",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the course's two files, or photos to make pairs from (default: scikit-image's "
        "sample photos)",
    )
    parser.add_argument(
        "--validation",
        type=Path,
        metavar="FOLDER",
        help="other photos to validate on (default: a part of the photos of --data, held out)",
    )
    add_device_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per study")


def _run_study(study: Study, source: Source, arguments: argparse.Namespace, stop: StopFlag) -> bool:
    """Run it to its end or to a stop; the figure shows what there is. Says whether it ended."""
    stem = f"{study.name}.quick" if arguments.quick else study.name
    path = arguments.out / f"{stem}.jsonl"
    run = StudyRun(
        study,
        Record.read(path),
        source,
        place(arguments.device, arguments.dtype),
        quick=arguments.quick,
        budget_seconds=arguments.seconds_budget,
        again=arguments.again,
    )
    stop.also = run.interrupt
    say(f"{study.name}: {study.question} ({run.placement.label})")
    replaced = sum(not run.is_kept(ending) for ending in run.record.endings.values())
    if replaced:
        say(f"{replaced} curves of the record are dropped; a copy of it is kept beside it")
    with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:
        for event in run.events():
            loss = event.row.values.get("loss")
            at = f"{event.row.curve} ({event.place} of {event.count}), step {event.row.step}"
            bar.set_postfix_str(at if loss is None else f"{at}, loss {loss:.4g}")
            bar.update(event.progress - bar.n)
            if stop:
                break
    figure = arguments.out / f"{stem}.png"
    study.figure(run.record).savefig(figure, dpi=110)
    if stop:
        same = "the command without --again" if arguments.again else "the same command"
        say(f"stopped; {same} goes on with what {path} lacks")
        return False
    cut = sum(ending.end == OUT_OF_TIME for ending in run.record.endings.values())
    if cut:
        say(f"time ended {cut} curves; --again and a larger --seconds-budget measure them anew")
    answer = study.answer(run.record)
    row = {"study": study.name, "answer": answer, "record": str(path), "figure": str(figure)}
    print(json.dumps(row) if arguments.json else f"{study.name}: {answer}", flush=True)
    return True


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="where report.md goes"
    )
    parser.add_argument(
        "--records",
        type=Path,
        default=stored.folder(),
        metavar="FOLDER",
        help="where NAME.jsonl of each study lies (default: the records that come with this)",
    )


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="where the two files go"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="photos to cut windows from, a part of them held out for validation "
        "(default: scikit-image's sample photos)",
    )
    parser.add_argument(
        "--validation",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="other photos for val_data.pkl; then all of --photos serve training",
    )
    parser.add_argument("--pairs", type=int, default=50_000, help="for training (default: 50000)")
    parser.add_argument("--windows", type=int, default=1000, help="to validate on (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="names all draws (default: 0)")


def _write_data(arguments: argparse.Namespace) -> int:
    training, held_out = course.photos_for(arguments.photos, arguments.validation, say)
    say(f"{len(training)} photos to train on, {len(held_out)} to validate on")
    validation = course.validation_pairs(held_out, arguments.windows, arguments.seed)
    course.write_pairs(arguments.out / course.VALIDATION_FILE, validation)
    pairs = course.training_pairs(training, arguments.pairs, arguments.seed)
    course.write_pairs(arguments.out / course.TRAINING_FILE, pairs)
    say(f"{len(pairs.first)} pairs and {len(validation.first)} windows: {arguments.out}")
    return DONE
