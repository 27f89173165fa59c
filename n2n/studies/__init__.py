"""Studies: every figure and result of the EE-559 report, and what else its text leaves open.

Each is one question in one file: its curves, how they are measured and drawn, and the answer.
"""

from n2n.studies import (
    augmentation,
    batchnorm,
    hybrid,
    identity,
    initialization,
    loss,
    maxpool,
    modes,
    optimizers,
    result,
    targets,
)
from n2n.studies.base import Curve, Study
from n2n.studies.record import Record, Row
from n2n.studies.running import Event, StudyRun
from n2n.studies.sources import Source

__all__ = ["STUDIES", "Curve", "Event", "Record", "Row", "Source", "Study", "StudyRun"]

# In the order to run them.
STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        identity,
        batchnorm,
        initialization,
        result,
        optimizers,
        hybrid,
        augmentation,
        maxpool,
        modes,
        targets,
        loss,
    )
}
