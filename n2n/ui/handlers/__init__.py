"""What the page does, without Gradio: functions on arrays, numbers, strings and dataclasses."""
