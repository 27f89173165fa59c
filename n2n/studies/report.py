"""The report's figures and numbers beside ours, as one page, from stored records and cards alone.

`python -m n2n study report --out assets` writes it. What no record holds is "not measured yet".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from n2n import shipped
from n2n.studies import STUDIES, answers, identity, optimizers, result
from n2n.studies.base import Curve, Study
from n2n.studies.figures import NOTES, png
from n2n.studies.networks import INITIALIZATIONS
from n2n.studies.record import Record, Row, mean_and_spread
from n2n.studies.stored import command, is_whole

PAGE, FIGURES = "report.md", "studies"
MISSING = "not measured yet"
DPI = 90  # of a figure: it takes some 30 kB
COURSE_TEST = "course_psnr_db"  # of a card: by convention, on 1,000 windows of CBSD68

Records = Mapping[str, Record]


@dataclass(frozen=True)
class Number:
    """One number of the report, ours (None where no record has it), and why they differ."""

    what: str
    reported: str
    ours: Callable[[Records], str | None]
    why: str


def write(out: Path, records: Path, teams: Mapping[str, float]) -> Path:
    """Write the page and its figures.

    Args:
        out: a folder; the page lies in it and the figures in a folder beside the page.
        records: where NAME.jsonl of each study lies.
        teams: PSNR (A) in dB that others published, by what they did.

    Raises:
        ValueError: no such folder of records.
    """
    if not records.is_dir():
        raise ValueError(f"{records} is not a folder; give the one that holds NAME.jsonl")
    found = {name: Record.read(records / f"{name}.jsonl") for name in STUDIES}
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for name, record in found.items():
        if record.rows:
            picture = png(STUDIES[name].figure(record), DPI)
            (out / FIGURES / f"{name}.png").write_bytes(picture)
    target = out / PAGE
    target.write_text(page(found, teams), encoding="utf-8")
    return target


def page(records: Records, teams: Mapping[str, float]) -> str:
    """The page as Markdown; its figures lie in `FIGURES` beside it."""
    parts = [
        INTRODUCTION,
        "## The numbers",
        _numbers(records),
        "## The figures and claims",
    ]
    parts += [_section(study, records[name]) for name, study in STUDIES.items()]
    parts += ["## Where the published code is not what the text says", CODE]
    parts += ["## The outlook, carried out", OUTLOOK]
    parts += ["## Other teams of the course", _teams(teams)]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """\
# The report beside this package

The report is the EE-559 course's mini-project 1 (EPFL, 2022) that this project starts from: a
denoising autoencoder of five convolutions and five transposed ones, trained on pairs of noisy
pictures of 32 × 32 px. Each of its figures and numbers stands here beside what this package
measures. This page is written by `python -m n2n study report --out assets`: every number of ours in
it comes from the records in `assets/studies` and the cards in `weights`.

The course's pictures cannot be had. Their noise can: its pairs were made by taking one random pixel
of each block of a large photo, twice, and so are ours (point sampling, K = 10; 9 from photos of 299
px), with the block's mean as the clean picture. A network trained on the course's own data scored
25.77 dB on such pictures and 25.64 dB on the course's, so numbers of the two kinds are about
0.15 dB apart. The folder `course100k` of the commands below is written by `python -m n2n study data
--photos cid22_512 gb82 clic2025 wallpapers_ds nips2017 --validation CBSD68 --pairs 100000 --out
course100k`.

PSNR **A** is the mean over pictures, as the course graded; **B** is of all pixels of all pictures
together, about 1 dB lower. Neither is of any use unless it is named."""

CODE = """\
| The text | The published code | Here |
|---|---|---|
| "Positive Xavier": negative weights set to zero | the mask (first draw > 0) times a second, \
independent draw: half of the weights are zero, a quarter negative | both are curves of \
`initialization` |
| Targets are pictures in [0, 1] | a typo (`'troch.ByteTensor'`) leaves 8-bit targets unscaled | \
every picture is scaled where it is read |
| BatchNorm, without a word on prediction | `predict` never calls `eval()`: a picture depends on \
its neighbours in the batch | `ee559.Model` predicts in evaluation mode; `modes` measures the \
difference |
| The first 5 iterations are LBFGS | 35 mini-batches are | both are curves of `hybrid` |
| Adam is surprisingly poor | it ran at 0.05, the rate of SGD | `optimizers` has 0.001, too |"""


OUTLOOK = """\
The report ends: the squared error averages over all that could be there, hence the blur; a picture
drawn from p(X | Y = y), by a conditional GAN perhaps, would be sharp. No GAN is needed, and no
clean picture: a denoiser trained on noisy targets of every level draws such pictures by itself
(`n2n.posterior`), in 13 passes each. They are the view Samples of the page, and
`python -m n2n denoise --samples 4` writes them. By theory a sample is as sharp as a photo, and 3 dB
worse than the denoised picture, which is the mean of all samples; `tests/test_posterior.py` holds
them to it."""


def _last_row(record: Record, curve: str) -> Row | None:
    """Of a seed that has ended."""
    ended = (row for row in reversed(record.rows) if (row.curve, row.seed) in record.endings)
    return next((row for row in ended if row.curve == curve), None)


def _decibels(study: str, curve: str, *names: str) -> Callable[[Records], str | None]:
    """The last values of a curve, such as "24.69 dB A, 23.70 dB B"; half way there are none."""

    def ours(records: Records) -> str | None:
        record = records[study]
        kinds = {name: answers.FINAL.format(name.lower()) for name in names if record.end(curve)}
        found = {name: record.last(curve, kind) for name, kind in kinds.items()}
        parts = [f"{mean_and_spread(values)} dB {name}" for name, values in found.items() if values]
        return ", ".join(parts) + NOTES.get(record.end(curve), "") if parts else None

    return ours


def _losses(study: str, *curves: str) -> Callable[[Records], str | None]:
    """The mean loss of the last epoch of each curve that has ended."""

    def ours(records: Records) -> str | None:
        record = records[study]
        found = {curve: answers.last_loss(record, curve) for curve in curves if record.end(curve)}
        return ", ".join(f"{curve}: {said}" for curve, said in found.items() if said) or None

    return ours


def _learnt(records: Records) -> str | None:
    """Of every sample, since they differ by much."""
    record, curve = records["identity"], next(iter(identity.CURVES))
    series = record.series(curve, "psnr_train_db").items()
    ended = sorted(
        (rows[-1].values["psnr_train_db"], rows[-1].seconds, record.endings[curve, seed].device)
        for seed, rows in series
        if (curve, seed) in record.endings
    )
    each = "; ".join(f"{db:.1f} dB A in {seconds:.0f} s" for db, seconds, _ in ended)
    return f"{each} ({len(ended)} samples, {curve}; {ended[0][2]})" if ended else None


def _cost(records: Records) -> str | None:
    record = records["result"]
    row = _last_row(record, result.REPORT)
    if row is None:
        return None
    device = record.endings[row.curve, row.seed].device
    return f"{row.seconds:.0f} s ({device}), {row.values['tflop']:.0f} TFLOP"


def _card(model: str, key: str) -> Callable[[Records], str | None]:
    """From a card of shipped weights: a number of it, or its PSNR on the stand-in's windows."""

    def ours(_: Records) -> str | None:
        found = shipped.card(model).get(key)
        if not isinstance(found, dict):
            return None if found is None else f"{found:,}"
        return "; ".join(f"{db:.2f} dB {name}" for name, db in found.items())

    return ours


NUMBERS = (
    Number("Parameters", "1,413,635", _card("seed", "parameters"), "the same layers"),
    Number(
        "One sample learnt by heart (figure 5)",
        f"{identity.REPORTED_DB} dB; 11 s",
        _learnt,
        "samples differ by much, and the report tells of one; the rate of its code, 0.05, falls "
        "short on all tried; by convention B none reaches it",
    ),
    Number(
        "Its network after one epoch of 50,000 pairs",
        f"{result.REPORTED_DB} dB A",
        _decibels("result", result.REPORT, "A", "B"),
        "other pictures (above); PSNR is measured in evaluation mode here",
    ),
    Number(
        "What that epoch costs",
        "8 min 22 s on a Colab GPU",
        _cost,
        "another machine; the arithmetic is the same on all: 500 passes, and 95 more within the "
        "five steps of LBFGS",
    ),
    Number(
        "The same network, as shipped (`seed`)",
        f"{result.REPORTED_DB} dB A",
        _card("seed", COURSE_TEST),
        "trained on the photos that its card names, from PyTorch's own first weights; measured on "
        "1,000 windows of CBSD68",
    ),
    Number(
        "Our network on the same pairs",
        "–",
        _decibels("result", result.OURS, "A", "B"),
        "a residual U-Net without biases, Muon; either picture of a pair may be the target",
    ),
    Number(
        "Our network, as shipped (`ee559`)",
        "–",
        _card("ee559", COURSE_TEST),
        "within the arithmetic of that epoch's 500 mini-batches, one pass each; trained on the "
        "photos that its card names, measured on 1,000 windows of CBSD68, by which its layers and "
        "photos were chosen",
    ),
    Number(
        "First weights: the loss of the 20th epoch",
        "a plot (figure 1b)",
        _losses("initialization", *INITIALIZATIONS),
        "all-positive weights begin at a loss of 300,000 and end, as zeros do, at one colour for "
        "every picture; the code drew something else (below)",
    ),
    Number(
        "Adam: the loss of the 30th epoch",
        '"surprisingly poor" (figure 2)',
        _losses("optimizers", "momentum", "Adam", optimizers.TUNED_ADAM),
        "0.05 is far too high a rate for Adam",
    ),
)


def _numbers(records: Records) -> str:
    rows = (
        f"| {n.what} | {n.reported} | {n.ours(records) or MISSING} | {n.why} |" for n in NUMBERS
    )
    return "\n".join(
        ["| | The report | Here | What differs, and why |", "|---|---|---|---|", *rows]
    )


def _section(study: Study, record: Record) -> str:
    """One study: figure, question, the report, ours, what differs, the command."""
    parts = [f"### {study.title}"]
    if record.rows:
        parts.append(f"![{study.title}: {study.question}]({FIGURES}/{study.name}.png)")
    parts += [
        study.question,
        f"**The report.** {study.reported}",
        f"**Here.** {_ours(study, record)}",
        f"**What differs, and why.** {study.differs}",
        f"`{command(study, record)}`",
    ]
    return "\n\n".join(parts)


def _ours(study: Study, record: Record) -> str:
    """The answer, and what it was measured on."""
    if not is_whole(study, record):
        ended = len({curve for curve, _ in record.endings})
        count = len({curve.name for curve in study.curves(False)})
        return f"{MISSING.capitalize()}{f': {ended} of {count} curves are' if ended else ''}."
    endings = list(record.endings.values())
    facts = [
        study.setting([Curve(**ending.settings) for ending in endings]),
        *sorted({ending.data for ending in endings}),
        *sorted({ending.device for ending in endings}),
        f"{record.seconds / 60:.0f} min in all",
    ]
    return f"{study.answer(record)} (Measured on {'; '.join(facts)}.)"


def _teams(teams: Mapping[str, float]) -> str:
    rows = [f"| {team} | {value:.2f} |" for team, value in teams.items()]
    head = [
        "As they published it, on the course's own validation set; "
        "`python -m n2n evaluate --course-model MODEL.PY --data val_data.pkl` scores any other.",
        "",
        "| | PSNR A, dB |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows])
