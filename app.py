"""Noise2Noise in the browser: `python app.py`.

Where it listens is Gradio's own to say: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.
"""

from n2n.ui import build_app, launch_options

if __name__ == "__main__":
    build_app().launch(**launch_options())
