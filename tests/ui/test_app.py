"""The app is built as it should be, and answers programs: endpoints, errors, attacks."""

import base64
import contextlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.ui import LOOK_EVERY_S, build_app, launch_options
from tests.conftest import Server

MODEL = next(iter(n2n.shipped_models()), "best")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    images.write(path, sample("chelsea"))
    return path


def pixels(path: Path | str) -> np.ndarray:
    return images.read(path).pixels


def test_a_page_that_opens_brings_no_picture_that_nobody_sees_yet(server: Server) -> None:
    with urllib.request.urlopen(server.url) as page:
        text = page.read()
    assert b"data:image/" not in text
    assert len(text) < 400_000


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_app_builds_twice() -> None:
    for _ in range(2):
        config = build_app().get_config_file()
    labels = [c["props"]["label"] for c in config["components"] if c["type"] == "tabitem"]
    views = ["Slider", "Side by side", "Detail", "Difference", "Samples"]
    tabs = ["Denoise", *views, "Train", "Studies", "How it works"]
    assert labels == tabs
    public = {d["api_name"] for d in config["dependencies"] if d["api_visibility"] == "public"}
    assert public == {"add_noise", "denoise", "compare", "train"}


def test_the_app_is_hardened() -> None:
    options = launch_options()
    assert not {"server_name", "server_port", "auth"} & options.keys()
    app = build_app()
    assert app.api_open is False
    assert app.analytics_enabled is False
    lossy = [
        c["type"]
        for c in app.get_config_file()["components"]
        if c["props"].get("format", "png") != "png"
    ]
    assert lossy == []


def test_an_idle_server_seldom_looks_at_its_queue() -> None:
    ours, gradios = build_app()._queue, gr.Blocks().queue()._queue
    for pause in ("sleep_when_free", "progress_update_sleep_when_free"):
        assert getattr(ours, pause) == max(LOOK_EVERY_S, getattr(gradios, pause))


def test_endpoints_are_as_documented(client: Client) -> None:
    found = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    signatures = {
        name: [
            (p["parameter_name"], p["parameter_default"] if p["parameter_has_default"] else None)
            for p in endpoint["parameters"]
        ]
        for name, endpoint in found.items()
    }
    assert signatures == {
        "/add_noise": [("image", None), ("noise", "gaussian"), ("level", 25), ("seed", 0)],
        "/denoise": [("image", None), ("model", "best"), ("strength", 1)],
        "/compare": [("noisy", None), ("denoised", None), ("clean", None)],
        "/train": [
            ("images", None),
            ("noise", "gaussian"),
            ("level", 25),
            ("model", "fast"),
            ("seconds", 30),
            ("targets", "noisy"),
        ],
    }
    assert all(endpoint["description"] for endpoint in found.values())


def test_the_three_endpoints_work_together(client: Client, photo: Path, tmp_path: Path) -> None:
    """Noise, denoise, compare over the network give what the core gives on the same arrays."""
    noisy_file = client.predict(handle_file(photo), api_name="/add_noise")
    again = client.predict(handle_file(photo), "gaussian", 25, 0, api_name="/add_noise")
    noisy, clean = pixels(noisy_file), sample("chelsea")
    np.testing.assert_array_equal(noisy, pixels(again))
    error = noisy.astype(float) - clean
    assert 22 < error.std() < 26  # clipping takes a little of σ 25

    path, facts = client.predict(handle_file(noisy_file), MODEL, api_name="/denoise")
    np.testing.assert_array_equal(pixels(path), n2n.load(MODEL)(noisy))
    assert facts["model"] == MODEL
    assert facts["megapixels"] == pytest.approx(clean[..., 0].size / 1e6)
    assert facts["milliseconds"] > 0
    assert {"device", "sigma", "expected_psnr_db"} <= facts.keys()

    uploaded_again = tmp_path / "again.png"
    images.write(uploaded_again, noisy)
    path2, _ = client.predict(handle_file(uploaded_again), MODEL, api_name="/denoise")
    np.testing.assert_array_equal(pixels(path), pixels(path2))

    found = client.predict(
        handle_file(noisy_file), handle_file(path), handle_file(photo), api_name="/compare"
    )
    for index, file in enumerate((noisy_file, path)):
        estimate = images.to_tensor(pixels(file))
        psnr = float(n2n.psnr_db(estimate, images.to_tensor(clean)))
        assert found["psnr_db"][index] == pytest.approx(psnr, abs=1e-6)
        assert found["ssim"][index] == pytest.approx(n2n.ssim(pixels(file), clean), abs=1e-6)


def test_strength_zero_gives_the_input(client: Client, photo: Path) -> None:
    path, _ = client.predict(handle_file(photo), MODEL, 0.0, api_name="/denoise")
    np.testing.assert_array_equal(pixels(path), sample("chelsea"))


def test_a_16_bit_file_is_denoised_at_8_bit_and_says_so(client: Client, tmp_path: Path) -> None:
    deep, path = sample("chelsea").astype(np.uint16) * 257, tmp_path / "deep.png"
    images.write(path, deep)
    found, facts = client.predict(handle_file(path), MODEL, api_name="/denoise")
    np.testing.assert_array_equal(pixels(found), n2n.load(MODEL)(sample("chelsea")))
    assert any("16 bits" in note for note in facts["notes"])
    scores = client.predict(*[handle_file(path)] * 2, handle_file(found), api_name="/compare")
    assert [note.partition(":")[0] for note in scores["notes"]] == ["noisy", "denoised"]
    assert all("16 bits" in note for note in scores["notes"])


def test_grey_and_colour_are_compared_as_colour(client: Client, tmp_path: Path) -> None:
    grey = sample("camera")[:64, :80]
    colour = np.repeat(grey[..., None], 3, -1)
    colour[..., 0] //= 2
    for name, picture in (("grey", grey), ("colour", colour)):
        images.write(tmp_path / f"{name}.png", picture)
    files = [handle_file(tmp_path / f"{name}.png") for name in ("colour", "grey", "grey")]
    scores = client.predict(*files, api_name="/compare")
    direct = float(n2n.psnr_db(images.to_tensor(colour), images.to_tensor(grey)))
    assert scores["psnr_db"] == [pytest.approx(direct, abs=1e-6), None]
    assert scores["ssim"][1] == 1
    path, _ = client.predict(handle_file(tmp_path / "grey.png"), MODEL, api_name="/denoise")
    assert pixels(path).shape == grey.shape


@pytest.mark.parametrize(
    ("endpoint", "values", "said"),
    [
        ("/add_noise", ("gaussian", 256), "between 0 and 255"),
        ("/add_noise", ("gaussian", -1), "between 0 and 255"),
        ("/add_noise", ("fog", 25), "unknown noise"),
        ("/add_noise", ("gaussian", 25, 0.5), "whole number"),
        ("/denoise", ("worst",), "unknown model"),
        ("/add_noise", ("gaussian", "25"), "level must be a number"),
        ("/add_noise", ("gaussian", 10**400), "level is too large"),
        ("/add_noise", ("gaussian", 25, [1]), "seed must be a number"),
        ("/denoise", (MODEL, 2), "between 0"),
        ("/denoise", (MODEL, "1"), "strength must be a number"),
        ("/denoise", (MODEL, True), "strength must be a number"),
        ("/denoise", (MODEL, None), "strength must be a number"),
    ],
)
def test_wrong_values_get_one_line(
    client: Client, photo: Path, endpoint: str, values: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(photo), *values, api_name=endpoint)
    assert said in str(caught.value).lower()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "broken.png"),
        ("text.png", b"this is no picture at all", "text"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        ("empty.png", b"", "empty"),
    ],
)
def test_a_broken_upload_gets_our_line(
    client: Client, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(path), api_name="/add_noise")
    assert said in str(caught.value).lower()
    assert "upstream" not in str(caught.value).lower()


def test_an_oversize_picture_is_refused_by_its_header(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    images.write(path, np.zeros((4100, 4100), np.uint8))
    with pytest.raises(AppError, match="megapixels"):
        client.predict(handle_file(path), api_name="/add_noise")


REST = {"add_noise": ["gaussian", 25, 0], "denoise": [MODEL, 1]}


def answer(server: Server, endpoint: str, image: dict[str, Any]) -> str:
    """The events of a raw HTTP call with this picture: their kind and text."""
    body = json.dumps({"data": [image, *REST[endpoint]]}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}gradio_api/call/{endpoint}", body, headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        event = json.load(reply)["event_id"]
    address = f"{server.url}gradio_api/call/{endpoint}/{event}"
    with urllib.request.urlopen(address, timeout=20) as reply:
        return reply.read().decode()


MARK = {"meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("endpoint", ["add_noise", "denoise"])
@pytest.mark.parametrize("mark", [{}, MARK], ids=["unmarked", "marked"])
@pytest.mark.parametrize("where", ["outside", "dots", "link", "zero", "missing"])
def test_a_path_that_a_client_names_is_never_opened(
    server: Server, photo: Path, endpoint: str, mark: dict[str, Any], where: str
) -> None:
    link = server.uploads / "link.png"
    with contextlib.suppress(FileExistsError):
        link.symlink_to(photo)
    paths = {
        "outside": str(photo),
        "dots": f"{server.uploads}/../../{photo.relative_to(photo.parents[1])}",
        "link": str(link),
        "zero": f"{server.uploads}/a\0.png",
        "missing": f"{server.uploads}/missing.png",
    }
    with contextlib.suppress(urllib.error.HTTPError):  # refused at the door is as good
        said = answer(server, endpoint, {"path": paths[where], **mark})
        assert "event: error" in said
        assert "event: complete" not in said
    link.unlink()


def test_an_unmarked_path_gets_our_line(server: Server, photo: Path) -> None:
    assert "not an upload" in answer(server, "add_noise", {"path": str(photo)})


def test_a_data_url_is_refused_in_one_line(server: Server, photo: Path) -> None:
    data = base64.b64encode(photo.read_bytes()).decode()
    said = answer(server, "add_noise", {"url": f"data:image/png;base64,{data}"})
    assert "event: error" in said
    assert "upload the picture as a file" in said


def test_no_exception_of_ours_was_logged(server: Server, client: Client, photo: Path) -> None:
    with pytest.raises(AppError):
        client.predict(handle_file(photo), "fog", api_name="/add_noise")
    assert "/n2n/" not in server.log.read_text()  # Gradio logs its own for a path with a zero byte


def test_infinite_psnr_is_null(client: Client, photo: Path) -> None:
    same = client.predict(*[handle_file(photo)] * 3, api_name="/compare")
    assert same == {"psnr_db": [None, None], "ssim": [1.0, 1.0]}
