"""The README's conversation with a running app, as it is printed there."""

import re
from pathlib import Path
from typing import Any

import pytest

import n2n
from n2n import images
from n2n.data.samples import sample
from tests.conftest import Server

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"<!-- live -->\n```python\n(.*?)```", re.DOTALL)


def test_the_example_runs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = EXAMPLE.findall((ROOT / "README.md").read_text())
    images.write(tmp_path / "photo.png", sample("chelsea")[:128, :128])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    own = code.replace("http://127.0.0.1:7860", server.url).replace('"best"', '"fast"')
    exec(compile(own, "README.md", "exec"), names)
    before, after = names["scores"]["psnr_db"]
    assert after > before + 5
    assert names["facts"]["model"] == "fast"
    assert names["event"]["state"] == "done"
    assert n2n.load(names["weights"])(sample("chelsea")[:32, :32]).shape == (32, 32, 3)
