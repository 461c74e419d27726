"""A real browser without a window: Debian's Chromium, which knows no other machine than this one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

# Generous, because a loaded machine is slow; a test that passes does not wait.
PATIENCE_SECONDS = 30

# Every text that a person must be able to read, with its contrast against what is behind it.
CONTRAST = """
const channels = (text) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([red, green, blue]) => {
  const linear = [red, green, blue].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const known = new Map();
const of = (text) => known.get(text) ?? (known.set(text, channels(text)), known.get(text));
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = of(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const low = [];
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
  if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
  if (element.closest("[aria-disabled=true]")) continue;
  const [one, other] = [luminance(of(getComputedStyle(element).color)), luminance(behind(element))];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (contrast < 4.5) low.push([text.slice(0, 40), element.className, contrast.toFixed(2)]);
}
return low;
"""

# Roles of what a person uses or jumps to.
CONTROLS = {
    "button", "checkbox", "combobox", "DisclosureTriangle", "link", "log", "meter", "navigation", "region", "searchbox",
    "spinbutton", "tab", "textbox",
}


class Browser:
    """One browser for all tests; `open` forgets the page before."""

    def __init__(self) -> None:
        programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
        missing = [name for name, path in programs.items() if path is None]
        if missing:
            raise FileNotFoundError(f"install Debian's chromium and chromium-driver: {missing} are missing")
        options = ChromeOptions()
        options.binary_location = str(programs["chromium"])
        for argument in (
            "--headless=new",
            # Tests run as root in containers, with a small /dev/shm; the pages are our own.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--force-device-scale-factor=1",
            "--lang=en",
            # Pictures of the same page are the same, and small.
            "--hide-scrollbars",
            "--disable-lcd-text",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = Chrome(options, ChromeService(str(programs["chromedriver"])))

    def open(self, url: str, scheme: str = "light", width: int = 1440, height: int = 1000) -> None:
        """A page in this colour scheme, in a window of this size."""
        self.driver.get("about:blank")
        self.messages()
        self.requested()
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(url)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The only element that matches; waits until it is there."""
        self.until(f"one {selector}", lambda: len(self.all(selector)) == 1)
        return self.all(selector)[0]

    def texts(self, selector: str) -> list[str]:
        """The texts of all that match, read at one moment."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Waits until it holds, and gives what it gave."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if found := holds():
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS} s\n{self.run('return document.body.innerText')[:4000]}")
            time.sleep(0.05)

    def messages(self) -> list[str]:
        """What the console said since the last look: errors of scripts, what a policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """The addresses that the page asked for since the last look."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def low_contrasts(self) -> list[list[str]]:
        """Texts that WCAG's level AA calls hard to read."""
        return self.run(CONTRAST)

    def without_name(self) -> list[str]:
        """Controls that a screen reader cannot name."""
        tree = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        named = [(n["role"]["value"], n.get("name", {}).get("value")) for n in tree if not n["ignored"]]
        assert any(role in CONTROLS for role, _ in named), "no control was looked at"
        return [role for role, name in named if role in CONTROLS and not name]

    def picture(self, path: Path) -> None:
        """What the window shows, as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        self.driver.quit()
