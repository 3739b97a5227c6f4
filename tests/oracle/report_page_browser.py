"""Headless Chromium by ChromeDriver and the DevTools protocol, and what was found wrong: for report_page.py."""

import base64
import json
import shutil

import numpy as np

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

problems = []


def check(right, *what):
    if not right:
        problems.append(" ".join(str(w) for w in what))


def missing():
    """What there is not of what a Browser needs, as a sentence; None where nothing is missing."""
    if not chromium() or not shutil.which("chromedriver"):
        return "no Chromium with ChromeDriver: apt-get install chromium chromium-driver"
    if webdriver is None:
        return "no Selenium: build/oracle-venv/bin/pip install selenium"
    return None


def chromium():
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)


class Browser:
    """Chromium by ChromeDriver, with what this test asks of it."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium()
        for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"):
            options.add_argument(one)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(60)
        self.where = ""

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def view(self, width, height, dark, calm=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        media = [("prefers-color-scheme", "dark" if dark else "light"), ("prefers-reduced-motion", "reduce" if calm else "no-preference")]
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in media])
        self.where = f"{width}x{height} {'dark' if dark else 'light'}"

    def open(self, file):
        """Loads a page and waits until it says that it is drawn: what was drawn, or None."""
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.driver.get(file.as_uri())
        told = self.driver.execute_async_script(
            "const done = arguments[0]; cdcReport.ready.then(() => done({drawn: cdcReport.drawn}), (e) => done({error: String(e)}))"
        )
        check("error" not in told, file.stem, self.where, "cannot be shown:", told.get("error"))
        return told.get("drawn")

    def quiet(self, file):
        """No message on the console, and no request but for the page itself."""
        for entry in self.driver.get_log("browser"):
            check(False, file.stem, self.where, "console:", entry["level"], entry["message"][:300])
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = message["params"]["request"]["url"]
            check(url.startswith("data:") or url.split("#")[0] == file.as_uri(), file.stem, self.where, "asks the network for", url[:200])

    def mouse(self, kind, x, y, **more):
        self.cdp("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        self.frame()

    def key(self, key, code=0, text=None):
        more = {"text": text} if text else {}
        self.cdp("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        self.cdp("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        self.frame()

    def frame(self):
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")

    def show(self, selector):
        self.js(
            "document.documentElement.style.scrollBehavior = 'auto'; document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector
        )
        self.driver.execute_async_script("setTimeout(arguments[0], 300)")  # past the time in which a wheel goes on scrolling

    def sample(self, i):
        """Where a sample lies in the window."""
        return self.js(
            "const m = cdcReport.report.embedding, b = m.canvas.getBoundingClientRect(), p = m.place(arguments[0]);"
            "return [b.left + p[0], b.top + p[1]]",
            i,
        )

    def pixels(self, selector):
        """A canvas's pixels [H, W, 4]; a chart's layers one over the other."""
        size, data = self.js(
            """const all = [...document.querySelectorAll(arguments[0])], one = document.createElement('canvas');
               if (!all.length) return [[0, 0], ''];
               one.width = all[0].width; one.height = all[0].height;
               const c = one.getContext('2d'); for (const a of all) c.drawImage(a, 0, 0);
               const d = c.getImageData(0, 0, one.width, one.height).data; let text = '';
               for (let i = 0; i < d.length; i += 32768) text += String.fromCharCode.apply(null, d.subarray(i, i + 32768));
               return [[one.height, one.width], btoa(text)]""",
            selector,
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(*size, 4)
