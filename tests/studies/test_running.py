"""A study goes on with what its record lacks, keeps to its budget, and can be stopped anywhere."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from n2n.__main__ import main
from n2n.cli import study
from n2n.data import course
from n2n.devices import Placement, place
from n2n.studies import STUDIES, Curve, Record, Source, Study, StudyRun, running
from n2n.studies.base import Enough
from n2n.studies.record import DIVERGED, DONE, OUT_OF_TIME, Ending, Row
from tests.studies.small import SOURCE
from tests.tiny import CPU, photo, refused
from tests.toy_runs import Clock

SECONDS_A_STEP = 1.0
NAMES = ["quick", "slow", "wild", "slowest"]
STEPS = {"quick": 2, "slow": 40, "wild": 5, "slowest": 1000}


class Toy:
    """Curves of as many steps as told, a second each; "wild" breaks at its third."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.begun = clock, []  # type: ignore[var-annotated]
        self.study = replace(
            STUDIES["batchnorm"], curves=self.curves, measure=self.measure, budget_seconds=100
        )

    def curves(self, quick: bool) -> list[Curve]:
        return [Curve(name, samples=STEPS[name], batch=1, epochs=1) for name in NAMES]

    def measure(
        self, curve: Curve, source: Source, placement: Placement, enough: Enough
    ) -> Iterator[Row]:
        self.begun.append(curve.name)
        for step in range(1, curve.steps + 1):
            self.clock.now += SECONDS_A_STEP
            broken = curve.name == "wild" and step == 3
            loss = float("nan") if broken else 1 / step
            yield Row(curve.name, curve.seed, step, step, step * SECONDS_A_STEP, {"loss": loss})
            if broken or enough():
                return

    def run(self, path: Path | None = None, **options: float) -> StudyRun:
        record = Record() if path is None else Record.read(path)
        return StudyRun(self.study, record, SOURCE, CPU, **options)  # type: ignore[arg-type]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    clock = Clock()
    monkeypatch.setattr(running, "time", clock)
    return Toy(clock)


def test_time_left_over_goes_to_the_slow_curves(toy: Toy) -> None:
    run = toy.run()
    list(run.events())
    ends = {name: run.record.end(name) for name in NAMES}
    assert ends == {"quick": DONE, "slow": OUT_OF_TIME, "wild": DIVERGED, "slowest": OUT_OF_TIME}
    # 100 s: 2 for quick; a third of 98 for slow; 3 for wild; the rest for slowest.
    last = {row.curve: row.step for row in run.record.rows}
    assert last["slow"] == pytest.approx(98 / 3, abs=1.5)
    assert last["slowest"] == pytest.approx(100 - 2 - 98 / 3 - 3, abs=2.5)
    assert toy.clock.now == pytest.approx(1100, abs=1.5)


def test_a_study_without_time_still_takes_a_step_of_each(toy: Toy) -> None:
    run = toy.run(budget_seconds=1e-9)
    list(run.events())
    assert [row.curve for row in run.record.rows] == NAMES
    with refused("more than 0 seconds"):
        toy.run(budget_seconds=-1)


def test_a_stopped_study_goes_on_with_what_it_lacks(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "toy.jsonl"
    events = toy.run(path).events()
    for event in events:
        if event.row.curve == "slow" and event.row.step == 3:
            break
    events.close()  # type: ignore[attr-defined]
    assert toy.begun == ["quick", "slow"]
    run = toy.run(path)
    first = next(iter(run.events()))
    assert (first.row.curve, first.row.step) == ("slow", 1)
    assert [row.curve for row in run.record.rows] == ["quick", "quick", "slow"]
    list(toy.run(path).events())
    assert toy.begun == ["quick", "slow", "slow", "slow", "wild", "slowest"]
    whole = Record.read(path)
    assert list(toy.run(path).events()) == []
    assert Record.read(path) == whole
    assert list(toy.run(path).finish()) == []


def test_a_curve_is_measured_anew_when_its_settings_change() -> None:
    curve = Curve("a", seed=1, network_kwargs={"widths": [1, 2]}, rate=0.2)
    told = json.loads(json.dumps(curve.settings))
    assert curve.is_of(told)
    assert not replace(curve, rate=0.1).is_of(told)
    assert not replace(curve, seed=0).is_of(told)
    del told["most_steps"]  # a record older than this setting
    assert curve.is_of(told)
    assert not replace(curve, most_steps=3).is_of(told)


def test_a_record_of_other_pictures_is_left_alone(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    list(toy.run(path).events())
    whole = path.read_text()
    (tmp_path / "photos").mkdir()
    with refused("sample photos", "photos of photos", "another folder"):
        StudyRun(toy.study, Record.read(path), Source(tmp_path / "photos"), CPU)
    assert path.read_text() == whole


def test_other_pictures_of_the_same_name_are_told(toy: Toy, tmp_path: Path) -> None:
    path, sources = tmp_path / "toy.jsonl", []
    for seed in (0, 1):
        folder = tmp_path / str(seed) / "course"
        folder.mkdir(parents=True)
        for name in (course.TRAINING_FILE, course.VALIDATION_FILE):
            course.write_pairs(folder / name, course.training_pairs([photo(70, 70)], 2, seed))
        sources.append(Source(folder))
    list(StudyRun(toy.study, Record.read(path), sources[0], CPU).events())
    StudyRun(toy.study, Record.read(path), sources[0], CPU)
    with refused("other pictures", "files of the course's format in course", "--out"):
        StudyRun(toy.study, Record.read(path), sources[1], CPU)


def test_what_time_ended_is_measured_again_when_asked(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    list(toy.run(path).events())
    assert list(toy.run(path, budget_seconds=3000).events()) == []
    run = toy.run(path, budget_seconds=3000, again=True)
    toy.begun.clear()
    list(run.events())
    assert toy.begun == ["slow", "slowest"]
    ends = {name: run.record.end(name) for name in NAMES}
    assert ends == {"quick": DONE, "slow": DONE, "wild": DIVERGED, "slowest": DONE}
    assert len(Record.read(path).endings) == len(NAMES)


def test_ended_curves_that_no_longer_fit_are_kept_elsewhere(toy: Toy, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    list(toy.run(path).events())
    before = path.read_text()
    list(toy.run(path).events())
    assert list(tmp_path.iterdir()) == [path]  # nothing was dropped
    toy.study = replace(toy.study, curves=lambda _: [Curve("quick", rate=9, samples=2, batch=1)])
    list(toy.run(path).events())
    old = (tmp_path / "toy.jsonl.1").read_text()
    assert sorted(old.splitlines()) == sorted(before.splitlines())
    toy.study = replace(toy.study, curves=toy.curves)
    list(toy.run(path).events())  # the next copy goes beside the first
    assert (tmp_path / "toy.jsonl.1").read_text() == old
    assert '"rate": 9' in (tmp_path / "toy.jsonl.2").read_text()


def test_seeds_that_another_machine_added_stay(toy: Toy) -> None:
    run = toy.run()
    run.record.add(Ending("slow", 2, DONE, toy.curves(False)[1].settings | {"seed": 2}, "", ""))
    run.record.add(Ending("slow", 1, DONE, {"rate": 9}, "", ""))
    list(run.events())
    assert set(run.record.endings) == {(name, 0) for name in NAMES} | {("slow", 2)}


def test_records_tell_the_precision(toy: Toy) -> None:
    bf16 = place("cpu", "bf16")
    found = {
        name: StudyRun(toy.study, Record(), SOURCE, bf16)._precision(Curve("a", **options)).label
        for name, options in {
            "usual": {},
            "exact": {"exact": True},
            "lbfgs": {"optimizer": "lbfgs"},
        }.items()
    }
    assert {name: label.rpartition(" ")[2] for name, label in found.items()} == {
        "usual": "bf16",
        "exact": "fp32",
        "lbfgs": "fp32",
    }


def test_command_runs_a_study_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPU_CORES", "1")
    words = ["study", "modes", "--out", str(tmp_path), "--quick", "--json"]
    answers = []
    for _ in range(2):
        assert main(words) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert (tmp_path / "modes.quick.png").stat().st_size > 5000
    rows = Record.read(Path(answers[0]["record"])).rows
    assert [row.step for row in rows] == [1, 2, 4, 10]
    assert rows[0].values["moved_train_255"] < 0.01  # alone: no neighbours
    assert rows[2].values["moved_train_255"] > 0.5
    assert all(row.values["moved_eval_255"] < 0.1 for row in rows[:3])
    assert "moved_eval_255" not in rows[3].values  # ten of ten: there are no other neighbours


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--seconds-budget", "-1"], "more than 0 seconds"),
        (["--seconds-budget", "0"], "more than 0 seconds"),
        (["--validation", "photos"], "goes with a folder of photos"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["study", "batchnorm", "--quick", "--out", str(tmp_path), *words]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_types_are_what_the_page_needs(toy: Toy) -> None:
    assert isinstance(toy.study, Study)
    event = next(iter(toy.run().events()))
    assert (event.place, event.count, event.row.step) == (1, len(NAMES), 1)


def test_a_curve_with_no_more_to_measure_is_done(toy: Toy) -> None:
    """As `modes` is with fewer pictures than its largest batch: more time would not help."""

    def measure(curve: Curve, *_: object) -> Iterator[Row]:
        yield Row(curve.name, curve.seed, 1, 1, 1.0, {"loss": 1.0})

    toy.study = replace(toy.study, measure=measure)
    run = toy.run()
    list(run.events())
    assert {ending.end for ending in run.record.endings.values()} == {DONE}


def test_ctrl_c_ends_a_study_within_a_step(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real signal, amid a step of LBFGS that asks before each of its passes."""
    passes = []

    def measure(
        curve: Curve, source: Source, placement: Placement, enough: Enough
    ) -> Iterator[Row]:
        yield Row(curve.name, curve.seed, 1, 1, 1.0, {"loss": 1.0})
        for number in range(1000):
            passes.append(number)
            if number == 3:
                os.kill(os.getpid(), signal.SIGINT)
            enough()
        yield Row(curve.name, curve.seed, 2, 1001, 1.0, {"loss": 1.0})

    monkeypatch.setitem(STUDIES, "batchnorm", replace(toy.study, measure=measure))
    assert main(["study", "batchnorm", "--out", str(tmp_path)]) == 1
    assert passes == [0, 1, 2, 3]
    assert "stopped; the same command goes on" in capsys.readouterr().err
    assert (tmp_path / "batchnorm.png").is_file()


def test_all_studies_go_on_after_one_that_cannot_run(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> Iterator[Row]:
        raise ValueError("the study needs 9 pairs, train_data.pkl holds 6")
        yield

    unable = replace(toy.study, name="unable", measure=measure)
    monkeypatch.setattr(study, "STUDIES", {"unable": unable, "batchnorm": toy.study})
    assert main(["study", "all", "--out", str(tmp_path), "--json"]) == 1
    told = capsys.readouterr()
    assert "unable: the study needs 9 pairs" in told.err
    assert json.loads(told.out)["study"] == "batchnorm"
