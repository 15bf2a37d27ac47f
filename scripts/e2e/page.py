"""A page in the browser: what a person does with it, and what it must never do."""

from __future__ import annotations

import base64
import json
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from .chromium import Chromium, CommandFailed

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.03
HELPERS = (Path(__file__).parent / "in_page.js").read_text(encoding="utf-8")
KEYS: Dict[str, Dict[str, Any]] = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
    "Escape": {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27},
    "Delete": {"key": "Delete", "code": "Delete", "windowsVirtualKeyCode": 46},
}


class Page:
    """A page in a profile of its own, at an origin that it must not leave."""

    def __init__(self, browser: Chromium, origin: str) -> None:
        self._browser = browser
        self.origin = origin
        self.faults: List[str] = []
        self._lock = threading.Lock()
        self._context = browser.command("Target.createBrowserContext")["browserContextId"]
        target = browser.command("Target.createTarget", {"url": "about:blank", "browserContextId": self._context})
        attached = browser.command("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        self._session = attached["sessionId"]
        browser.listen(self._session, self._on_event)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.command("Runtime.addBinding", {"name": "conduitViolation"})
        self.command("Page.addScriptToEvaluateOnNewDocument", {"source": HELPERS})
        self.resize(1280, 860)

    def close(self) -> None:
        """Ends the page and its profile."""
        self._browser.command("Target.disposeBrowserContext", {"browserContextId": self._context})

    def command(self, method: str, parameters: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Sends a command to the page."""
        return self._browser.command(method, parameters, self._session)

    def open(self, path: str = "/") -> None:
        """Goes to a path of the origin."""
        self.command("Page.navigate", {"url": self.origin + path})
        self.wait("document.readyState === 'complete' && location.origin !== 'null'")

    def resize(self, width: int, height: int, is_phone: bool = False) -> None:
        """Gives the page another size."""
        self.width = width
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.command("Emulation.setDeviceMetricsOverride", metrics)

    def set_scheme(self, scheme: str) -> None:
        """`light` or `dark`, as the system of who looks at it says."""
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def lose_the_network(self) -> None:
        """From now on no request gets through."""
        self._set_network({"offline": True})

    def find_the_network(self) -> None:
        """From now on requests get through again."""
        self._set_network({"offline": False})

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.command("Runtime.evaluate", parameters)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details.get("text")
            raise AssertionError(f"{expression[:120]}: {said}")
        return answer["result"].get("value")

    def wait(self, expression: str, what: str = "") -> Any:
        """The value of an expression once it is true; fails if that takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        value: Any = None
        while time.monotonic() < deadline:
            try:
                value = self.evaluate(expression)
            except CommandFailed:
                value = None  # Between two documents.
            except AssertionError as error:
                if "e2e" not in str(error):
                    raise
            if value:
                return value
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"waited in vain for {what or expression}; the page says:\n{self.text()[:1500]}")

    def find(self, kind: str, name: str, within: str = "") -> None:
        """Waits until a thing of that name can be seen."""
        self.wait(f"!!e2e.find({_js(kind)}, {_js(name)}, {_js(within)})", f"{kind} {name!r}")

    def click(self, kind: str, name: str, within: str = "") -> None:
        """Clicks on a button, link or field, by what it is called."""
        place = self.wait(f"e2e.place({_js(kind)}, {_js(name)}, {_js(within)})", f"{kind} {name!r} that can be clicked")
        for event, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            button = {"button": "left", "buttons": buttons, "clickCount": 1}
            self.command("Input.dispatchMouseEvent", {"type": event, **place, **button})

    def fill(self, name: str, text: str, within: str = "") -> None:
        """Replaces what stands in a field."""
        self.wait(f"!!e2e.find('field', {_js(name)}, {_js(within)})", f"field {name!r}")
        self.evaluate(f"(field => {{ field.focus(); field.select?.(); }})(e2e.find('field', {_js(name)}, {_js(within)}))")
        if text:
            self.command("Input.insertText", {"text": text})
        else:
            self.press("Delete")

    def select(self, name: str, value: str, within: str = "") -> None:
        """Chooses an option of a list."""
        self.find("field", name, within)
        self.evaluate(
            f"(list => {{ list.value = {_js(value)}; list.dispatchEvent(new Event('change', {{bubbles: true}})); }})"
            f"(e2e.find('field', {_js(name)}, {_js(within)}))"
        )

    def set_time(self, name: str, time_text: str) -> None:
        """Sets a field for a time, which every language of the browser types in another way."""
        self.find("field", name)
        self.evaluate(f"(field => {{ field.value = {_js(time_text)}; }})(e2e.find('field', {_js(name)}))")

    def press(self, key: str) -> None:
        """Presses a key of the keyboard."""
        for event in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", {"type": event, **KEYS[key]})

    def type(self, text: str) -> None:
        """Types into whatever has the focus."""
        self.command("Input.insertText", {"text": text})

    def text(self, selector: str = "body") -> str:
        """What can be read there."""
        try:
            return str(self.evaluate(f"window.e2e ? e2e.text({_js(selector)}) : document.body?.innerText ?? ''"))
        except (AssertionError, CommandFailed):
            return "(nothing)"

    def see(self, text: str, selector: str = "body") -> None:
        """Waits until a text can be read."""
        self.wait(f"e2e.text({_js(selector)}).includes({_js(text)})", f"the text {text!r} in {selector}")

    def unsee(self, text: str, selector: str = "body") -> None:
        """Waits until a text is gone."""
        self.wait(f"!e2e.text({_js(selector)}).includes({_js(text)})", f"the text {text!r} in {selector} to go")

    def screenshot(self, path: Path, is_whole: bool = False) -> None:
        """Keeps a picture of what can be seen, or of the whole page."""
        parameters: Dict[str, Any] = {"format": "png", "captureBeyondViewport": is_whole}
        if is_whole:
            size = self.command("Page.getLayoutMetrics")["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.command("Page.captureScreenshot", parameters)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def _set_network(self, state: Dict[str, Any]) -> None:
        unlimited = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.command("Network.emulateNetworkConditions", {**unlimited, **state})

    def _on_event(self, event: Dict[str, Any]) -> None:
        method, parameters = event["method"], event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("data:", "about:", "blob:")) and _origin(url) != self.origin:
                self._fault(f"a request to another origin: {url}")
        elif method == "Runtime.bindingCalled":
            self._fault(f"the security policy was violated: {parameters['payload']}")
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self._fault(f"an exception: {details.get('exception', {}).get('description') or details.get('text')}")
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            said = " ".join(str(each.get("value", each.get("description", ""))) for each in parameters["args"])
            self._fault(f"an error on the console: {said}")
        elif method == "Log.entryAdded":
            entry = parameters["entry"]
            # The browser notes each refusal of the API; what the page makes of it is what the tests look at.
            is_refusal = entry["source"] == "network" and urlsplit(entry.get("url", "")).path.startswith(("/api/", "/sign"))
            is_sign_in = entry["source"] == "network" and "401" in entry["text"]
            if entry["level"] == "error" and not is_refusal and not is_sign_in:
                self._fault(f"the browser complains: {entry['text']} {entry.get('url', '')}")

    def _fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _js(value: object) -> str:
    return json.dumps(value)
