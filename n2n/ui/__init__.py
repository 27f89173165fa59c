"""The web app: `build_app()` puts the tabs in order, `launch_options()` says how it is served."""

import atexit
import os
import shutil
import tempfile
from typing import Any

import gradio as gr

from n2n.devices import use_available_cores
from n2n.ui import theme
from n2n.ui.handlers import about
from n2n.ui.limits import limits
from n2n.ui.tabs import api, denoise, how_it_works, studies, train

PRUNE_EVERY_S = 60  # files that Gradio keeps for the browser
LOOK_EVERY_S = 0.01  # at the queue, where nothing can begin; an event waits for half of it


def build_app() -> gr.Blocks:
    """Build the page. No network is loaded yet: that happens when the first visitor looks."""
    _own_upload_folder()
    use_available_cores()
    app: gr.Blocks
    with gr.Blocks(
        title="Noise2Noise",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(PRUNE_EVERY_S, round(60 * limits().file_minutes)),
    ) as app:
        gr.HTML(about.header(), padding=False)
        mine, mine_of_studies = train.remembered_runs(), studies.remembered_runs()
        with gr.Tabs(overflow_behavior="wrap") as tabs:
            with gr.Tab("Denoise", id="denoise"):
                denoise_tab = denoise.layout()
            with gr.Tab("Train", id="train", visible=limits().training):
                train_tab = train.layout()
            with gr.Tab("Studies", id="studies") as studies_item:
                studies_tab = studies.layout(studies_item, mine_of_studies)
            with gr.Tab("How it works", id="how") as how_item:
                how_it_works.layout(how_item)
        gr.HTML(about.footer(), padding=False)
        denoise.wire(denoise_tab, app, mine)
        train.wire(train_tab, app, train.Neighbours(denoise_tab.visitor, mine, denoise_tab, tabs))
        studies.wire(studies_tab, app)
        api.wire(api.layout())
    app.queue(max_size=limits().queue, default_concurrency_limit=1, api_open=False)
    # Gradio 6.31 looks a thousand times a second: 7 % of a core where nobody is, 2.6 % so.
    for pause in ("sleep_when_free", "progress_update_sleep_when_free"):
        setattr(app._queue, pause, max(LOOK_EVERY_S, getattr(app._queue, pause)))
    return app


def launch_options() -> dict[str, Any]:
    """Arguments of `launch()`. Host and port are Gradio's own: GRADIO_SERVER_NAME and _PORT."""
    return {
        "max_file_size": f"{limits().max_file_megabytes:g}mb",
        "show_error": False,
        "allowed_paths": [],
        "run_history": False,
        "enable_monitoring": False,
        "state_session_capacity": 200,
        "max_threads": 32,  # more than may wait for a network at once
        "footer_links": ["api"],
        "ssr_mode": False,
        "mcp_server": False,
        "share": False,
        "theme": theme.theme(),
        "css": theme.CSS,
    }


def _own_upload_folder() -> None:
    """Uploads lie in a folder of this process alone, which goes when it ends."""
    if "GRADIO_TEMP_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="n2n-uploads-")
    os.environ["GRADIO_TEMP_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
