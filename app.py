"""Noise2Noise in the browser: `python app.py`.

Where it listens is Gradio's own to say: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.
"""

import signal
import sys

from n2n.ui import build_app, launch_options

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that uploads go when the server does
    build_app().launch(**launch_options())
