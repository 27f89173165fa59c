"""A visitor of the app without a browser: fires the page's events over HTTP, loads what comes."""

import json
import secrets
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PNG = {"meta": {"_type": "gradio.FileData"}}


@dataclass(frozen=True)
class Answer:
    """What an event brought: the last values of its outputs, and the bytes that were sent for it.

    The pictures that the values name are loaded and counted, as a browser would. `seconds` passed
    until the first of them was there; where none is new, until the end.
    """

    values: list[Any]
    sent_bytes: int
    seconds: float


class Visitor:
    """One open page of the app at `url`. Its components' values are those that the page opens with.

    Raises:
        RuntimeError: an event failed, or the page has no such component.
    """

    def __init__(self, url: str) -> None:
        self.url, self.session = url.rstrip("/"), secrets.token_hex(8)
        self.loaded: set[str] = set()  # a browser keeps a picture that it has
        config = json.loads(self._get("/config"))
        self.api = self.url + config.get("api_prefix", "")
        self.components = {entry["id"]: entry for entry in config["components"]}
        self.events = config["dependencies"]
        self.values = {key: entry["props"].get("value") for key, entry in self.components.items()}

    def open(self) -> None:
        """What the page does by itself when it opens, to the last of its events."""
        self.fire(self._event("load", None))

    def upload(self, label: str, file: Path) -> Answer:
        """Give a file to the upload with this label."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n'
        body = head.encode() + b"Content-Type: image/png\r\n\r\n" + file.read_bytes()
        body += f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        (path,) = json.loads(self._post(f"{self.api}/upload", body, kind))
        component = self._component(label)
        self.values[component] = {"path": path, **PNG}
        return self.fire(self._event("upload", component))

    def change(self, label: str, value: float, *, follow: bool = True) -> Answer:
        """Set a control; then what follows it."""
        component = self._component(label)
        self.values[component] = value
        return self.fire(self._event("input", component), follow=follow)

    def click(self, label: str, kind: str = "click", *, follow: bool = True) -> Answer:
        """Press a button, or select a tab; then what follows it."""
        return self.fire(self._event(kind, self._component(label)), follow=follow)

    def tick(self) -> Answer:
        """What an open page asks by itself, again and again."""
        return self.fire(self._event("tick", None), follow=False)

    def fire(self, event: dict[str, Any], *, follow: bool = True) -> Answer:
        """Run an event and load its pictures; then those that come after it."""
        begun = time.perf_counter()
        data = [self.values[key] for key in event["inputs"]]
        request = {"data": data, "fn_index": event["id"], "session_hash": self.session}
        request["trigger_id"] = event["targets"][0][0]
        joined = json.loads(self._post(f"{self.api}/queue/join", json.dumps(request).encode()))
        answer = self._answer(joined["event_id"], begun)
        for key, value in zip(event["outputs"], answer.values, strict=False):
            self._take(key, value)
        for later in self.events if follow else ():
            follows = later.get("trigger_after") == event["id"] and later["queue"]
            if follows and later["targets"][0][1] != "failure":
                self.fire(later)
        return answer

    def _answer(self, event: str, begun: float) -> Answer:
        sent = 0
        seconds = None
        values: list[Any] = []
        for message, size in self._messages():
            sent += size
            if message.get("event_id") not in (event, None):
                continue
            kind = message["msg"]
            output = message.get("output") or {}
            if kind in ("process_generating", "process_completed"):
                if kind == "process_completed" and not message.get("success", True):
                    raise RuntimeError(f"the page's event failed: {output.get('error')}")
                new = set(_urls(output.get("data"))) - self.loaded
                self.loaded |= new
                sent += sum(len(self._get(url)) for url in new)
                if seconds is None and (new or kind == "process_completed"):
                    seconds = time.perf_counter() - begun
                values = output.get("data") or values
            if kind == "process_completed":
                return Answer(values, sent, seconds or 0.0)
        raise RuntimeError("the server closed before the event was done")

    def _messages(self) -> Iterator[tuple[dict[str, Any], int]]:
        with urllib.request.urlopen(
            f"{self.api}/queue/data?session_hash={self.session}", timeout=120
        ) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:]), len(line)

    def _take(self, key: int, value: Any) -> None:  # noqa: ANN401
        if isinstance(value, dict) and value.get("__type__") == "update":
            if "value" in value:
                self.values[key] = value["value"]
        elif value is not None:
            self.values[key] = value

    def _component(self, label: str) -> int:
        for key, entry in self.components.items():
            props = entry["props"]
            if label in (props.get("label"), props.get("value"), props.get("elem_id")):
                return int(key)
        raise RuntimeError(f"the page has nothing called {label!r}")

    def _event(self, kind: str, component: int | None) -> dict[str, Any]:
        for event in self.events:
            for target, name in event["targets"]:
                if name == kind and component in (None, target):
                    found: dict[str, Any] = event
                    return found
        raise RuntimeError(f"the page has no event {kind!r} of component {component}")

    def _get(self, path: str) -> bytes:
        url = path if path.startswith("http") else self.url + path
        with urllib.request.urlopen(url, timeout=120) as answer:
            body: bytes = answer.read()
            return body

    def _post(self, url: str, body: bytes, kind: str = "application/json") -> bytes:
        request = urllib.request.Request(url, body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=120) as answer:
            got: bytes = answer.read()
            return got


def _urls(value: Any) -> Iterator[str]:  # noqa: ANN401
    """The addresses of all files in an answer."""
    if isinstance(value, dict):
        if isinstance(value.get("url"), str):
            yield value["url"]
        else:
            for part in value.values():
                yield from _urls(part)
    elif isinstance(value, list):
        for part in value:
            yield from _urls(part)
