"""The report's page in headless Chromium, for report_page_oracle_test.cpp: prints one JSON object, { "skip": why } or { "problems": [...], ... }.

Run: build/oracle-venv/bin/python tests/oracle/report_page.py FOLDER
FOLDER receives the pages, made from report_page_fixtures.py. Needs Chromium, ChromeDriver (Debian: chromium, chromium-driver) and Selenium.
"""

import base64
import json
import pathlib
import re
import sys
import zlib

import numpy as np

import report_page_fixtures as fixtures
from report_page_browser import Browser, check, missing, problems


def sheet_picture(pictures, place):
    """One picture out of a sheet that fixtures.png wrote, [H, W]."""
    each = pictures["columns"] * pictures["rows"]
    data = base64.b64decode(pictures["sheets"][place // each].split(",")[1])
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    rows = np.frombuffer(zlib.decompress(data[data.index(b"IDAT") + 4 : -16]), np.uint8).reshape(height, width + 1)[:, 1:]
    y, x = divmod(place % each, pictures["columns"])
    return rows[y * pictures["height"] : (y + 1) * pictures["height"], x * pictures["width"] : (x + 1) * pictures["width"]]


def unpack(text):
    kind, data = text.split(":")
    return np.frombuffer(base64.b64decode(data), {"u16": "<u2", "i16": "<i2"}[kind])


def expected(data):
    """What the page must say that it drew, counted from the data."""
    out = {"notes": len(data.get("notes", []))}
    if "scores" in data:
        out["scores"] = sum(len(s["values"]) for s in data["scores"])
    if "curves" in data:
        out["curves"] = len(data["curves"])
    if "clusterings" in data:
        first = data["clusterings"][0]
        out["sizes"] = len(first["sizes"])
        if "confusion" in first:
            out["confusion"] = len(first["confusion"])
    if "stages" in data:
        out["times"] = len(data["stages"])
    if "charts" in data:
        out["charts"] = len(data["charts"])
    return out


def shows(browser, file, data):
    """Checks that hold of every page in every view."""
    drawn, where = browser.open(file), f"{file.stem} {browser.where}:"
    if drawn is None:
        return None
    for key, count in expected(data).items():
        check(drawn.get(key) == count, where, "drew", drawn.get(key), key, "of", count)
    width, inner = browser.js("return [document.documentElement.scrollWidth, innerWidth]")
    check(width <= inner, where, "is", width, "wide in a window of", inner)
    check(
        browser.js("return document.title") == data["title"] and browser.js("return document.querySelector('h1').textContent") == data["title"],
        where,
        "another title",
    )
    check(browser.js("return document.querySelectorAll('script').length") == 3, where, "scripts came in with the data")
    check(browser.js("return document.querySelectorAll('main img, main iframe, main object').length") == 0, where, "elements came in with the data")
    unnamed = browser.js(
        "return [...document.querySelectorAll('[role=img], canvas[tabindex], [role=button]')].filter((e) => !e.getAttribute('aria-label')).length"
    )
    check(unnamed == 0, where, unnamed, "charts or pictures have no name")
    blank = browser.js(
        """return [...document.querySelectorAll('.chart, canvas.embedding')].map((box) => {
             const layers = box.matches('canvas') ? [box] : [...box.querySelectorAll('canvas')];
             const words = (l) => new Uint32Array(l.getContext('2d').getImageData(0, 0, l.width, l.height).data.buffer);
             const colours = new Set(layers.flatMap((l) => [...words(l).filter((_, i) => i % 7 === 0)]));
             return colours.size < 4 ? box.getAttribute('aria-label').slice(0, 60) : null}).filter(Boolean)"""
    )
    check(not blank, where, "blank:", blank)
    ticks = browser.js(
        """return [...document.querySelectorAll('.chart')].flatMap((box) => {
             const model = echarts.getInstanceByDom(box).getModel();
             return ['xAxis', 'yAxis'].flatMap((which) => model.queryComponents({mainType: which}))
               .filter((axis) => axis.get('type') !== 'category').map((axis) => axis.axis.getViewLabels().map((l) => l.formattedLabel))})"""
    )
    check(all(len(set(labels)) == len(labels) for labels in ticks), where, "ticks with the same text:", [t for t in ticks if len(set(t)) < len(t)])
    browser.quiet(file)
    return drawn


def gallery(browser, file, data):
    """All pictures of the clusters on the first page of the gallery, drawn when they come into view."""
    first, where = data["clusterings"][0], f"{file.stem} {browser.where}: gallery"
    before = browser.js("return cdcReport.drawn.gallery")
    check(before["clusters"] < min(12, first["clusters"]), where, "is drawn before it is in view")
    for k in range(min(12, first["clusters"])):
        browser.js("document.querySelectorAll('.gallery .cluster')[arguments[0]].scrollIntoView({behavior: 'instant'})", k)
        browser.frame()
    browser.driver.execute_async_script("setTimeout(arguments[0], 200)")
    shown = browser.js("return [...document.querySelectorAll('.gallery .cluster')].map((c) => Number(c.id.slice(8)))")
    entries = [first["gallery"][k] for k in shown]
    images = sum(len(e[key]) for e in entries for key in ("certain", "uncertain", "doubtful"))
    after = browser.js("return cdcReport.drawn.gallery")
    check(
        after["images"] == images == browser.js("return document.querySelectorAll('.gallery canvas:not(.missing)').length"),
        where,
        after["images"],
        "pictures of",
        images,
    )
    if "labels" in data["samples"]:
        labels = unpack(data["samples"]["labels"])
        marked = sum(
            labels[s] != fixtures.NO_LABEL and labels[s] != first["matching"][e["cluster"]]
            for e in entries
            for key in ("certain", "uncertain", "doubtful")
            for s in e[key]
        )
        check(after["marked"] == marked > 0, where, after["marked"], "marked of", marked)
        check(browser.js("return document.querySelectorAll('.gallery .sign').length") == marked, where, "marks by colour alone")
        rows = [first["matching"][k] for k in shown]
        check(rows == sorted(rows), where, "not in the order of classes")
    e = entries[0]
    picture = browser.pixels(f"#cluster-{e['cluster']} .row:first-child li:first-child canvas")[..., 0]
    right = sheet_picture(data["pictures"], data["pictures"]["of"].index(e["certain"][0]))
    check(picture.shape == right.shape and np.abs(picture.astype(int) - right).max() <= 1, where, "shows another image")


def pointing(browser, file, data):
    """The embedding under a mouse: the image under it, wheel, drag, colours, legend."""
    where, map_ = f"{file.stem} {browser.where}: embedding", "return cdcReport.drawn.embedding"
    browser.show("canvas.embedding")
    x, y = browser.sample(0)
    check(browser.js("return document.querySelector('.card').hidden"), where, "has a card before anything is pointed at")
    browser.mouse("mouseMoved", x + 1, y + 1)
    card = browser.js("const c = document.querySelector('.card'); return c.hidden ? '' : c.textContent")
    cluster, label = int(unpack(data["clusterings"][0]["cluster"])[0]), int(unpack(data["samples"]["labels"])[0])
    classes, matching = data["samples"]["classes"], data["clusterings"][0]["matching"]
    for text in (f"cluster {cluster} · {classes[matching[cluster]]}", classes[label], "sample 0", "name train-images#0"):
        check(text in card, where, "the card lacks", text, "and is:", card)
    places = data["pictures"]["of"]
    right = sheet_picture(data["pictures"], places.index(0)) if 0 in places else sheet_picture(data["thumbnails"], 0)
    picture = browser.pixels(".card canvas")[..., 0]
    check(picture.shape == right.shape and np.abs(picture.astype(int) - right).max() <= 1, where, "shows another image than sample 0's")

    before = browser.js(map_)["view"]
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-240)
    after = browser.js(map_)["view"]
    check(after[2] > before[2] * 1.2, where, "the wheel does not zoom:", before, after)
    moved = browser.sample(0)
    check(abs(moved[0] - x) < 1.5 and abs(moved[1] - y) < 1.5, where, "the wheel moves the point under it:", moved, (x, y))
    left, top, width, height = browser.js(
        "const b = document.querySelector('canvas.embedding').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]"
    )
    cx, cy = left + width / 2, top + height / 2
    before = after
    browser.mouse("mousePressed", cx, cy, button="left", buttons=1, clickCount=1)
    for step in (10, 25, 40):
        browser.mouse("mouseMoved", cx + step, cy + step / 2, button="left", buttons=1)
    browser.mouse("mouseReleased", cx + 40, cy + 20, button="left", clickCount=1)
    after = browser.js(map_)["view"]
    check(
        abs((before[0] - after[0]) * after[2] - 40) < 1 and abs((before[1] - after[1]) * after[2] - 20) < 1,
        where,
        "dragging by 40, 20 moves it from",
        before,
        "to",
        after,
    )
    browser.js("document.querySelector('.tools button:last-child').click()")
    browser.frame()
    check(browser.js(map_)["view"][2] < before[2], where, "the button does not show everything again")
    browser.mouse("mouseMoved", 1, 1)

    pixels = browser.pixels("canvas.embedding")
    check(browser.js(map_)["mode"] == "cluster", where, "is not coloured by cluster at first")
    browser.js("document.querySelector('input[name=colour-by][value=label]').click()")
    browser.frame()
    told = browser.js(map_)
    check(told["mode"] == "label" and told["groups"] == len(classes) + 1, where, "by label it has", told)
    check((browser.pixels("canvas.embedding") != pixels).any(2).mean() > 0.001, where, "looks the same by label")
    shown = told["shown"]
    browser.js("document.querySelector('.legend button').click()")
    browser.mouse("mouseMoved", 1, 1)
    hidden = int((unpack(data["samples"]["labels"]) == 0).sum())
    told = browser.js(map_)
    check(told["hidden"] == 1 and told["shown"] == shown - hidden, where, "hiding", hidden, "of", shown, "leaves", told["shown"])
    browser.js("document.querySelector('.legend-all button').click()")
    for _ in range(14):
        browser.js("document.querySelector('.tools button').click()")
    browser.frame()
    browser.driver.execute_async_script("setTimeout(arguments[0], 300)")
    browser.js("const m = cdcReport.report.embedding; [m.x, m.y] = m.points; m.render()")
    check(browser.js(map_)["images"] > 0, where, "zoomed in, it shows no images")
    browser.js("document.querySelector('.tools button:last-child').click()")
    browser.quiet(file)


def touching(browser, file):
    """Two fingers zoom, a tap tells."""
    where = f"{file.stem} {browser.where}: embedding"
    browser.show("canvas.embedding")
    x, y = browser.sample(0)
    browser.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    browser.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    browser.frame()
    check("sample 0" in browser.js("return document.querySelector('.card').textContent"), where, "a tap tells nothing")
    left, top, width, height = browser.js(
        "const b = document.querySelector('canvas.embedding').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]"
    )
    cx, cy, before = left + width / 2, top + height / 2, browser.js("return cdcReport.drawn.embedding.view")
    finger = lambda apart: [{"x": cx - apart, "y": cy, "id": 0}, {"x": cx + apart, "y": cy, "id": 1}]
    browser.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=finger(30))
    for apart in (40, 50, 60):
        browser.cdp("Input.dispatchTouchEvent", type="touchMove", touchPoints=finger(apart))
    browser.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    browser.frame()
    after = browser.js("return cdcReport.drawn.embedding.view")
    check(1.5 < after[2] / before[2] < 2.6, where, "fingers twice as far apart zoom by", after[2] / before[2])


def keys(browser, file):
    """Tab reaches every control, focus can be seen, and keys work what has it."""
    where, reached = f"{file.stem} {browser.where}: keyboard", set()
    browser.js("scrollTo(0, 0); document.activeElement.blur()")
    describe = """const e = document.activeElement; return e === document.body ? null : [e.tagName.toLowerCase() +
                  (e.type === 'radio' ? '[radio]' : '') +
                  (e.classList.length ? '.' + e.classList[0] : '') +
                  (['.legend', 'nav', '.command', '.tools'].filter((in_) => e.closest(in_)).map((in_) => ' in ' + in_.replace('.', ''))[0] || ''),
                  getComputedStyle(e).outlineStyle]"""
    for _ in range(160):
        browser.key("Tab", 9)
        told = browser.js(describe)
        if told is None:
            break
        reached.add(told[0])
        check(told[1] != "none", where, "the focus cannot be seen on", told[0])
        if told[0] == "canvas.embedding":
            before = browser.js("return cdcReport.drawn.embedding.view")
            browser.key("ArrowRight", 39)
            moved = browser.js("return cdcReport.drawn.embedding.view")
            browser.key("+", 187, "+")
            zoomed = browser.js("return cdcReport.drawn.embedding.view")
            check(moved[0] > before[0] and zoomed[2] > moved[2], where, "does not move the embedding:", before, moved, zoomed)
            check(
                "cluster" in browser.js("return document.querySelector('[role=status].hidden').textContent"), where, "is not told what it points at"
            )
        if told[0] == "button in legend" and browser.js("return cdcReport.drawn.embedding.hidden") == 0:
            browser.key(" ", 32, " ")
            check(browser.js("return cdcReport.drawn.embedding.hidden") == 1, where, "does not hide a group")
        if told[0] == "g.toggle" and browser.js("return cdcReport.drawn.graph.nodes") == 0:
            browser.key("Enter", 13, "\r")
            check(browser.js("return cdcReport.drawn.graph.nodes") > 0, where, "does not show a stage's nodes")
            check(browser.js(describe)[0] == "g.toggle", where, "loses its place when nodes are shown")
    for wanted in (
        "a in nav",
        "button in command",
        "summary",
        "select.clustering",
        "input[radio]",
        "canvas.embedding",
        "button in tools",
        "button in legend",
        "g.toggle",
    ):
        check(wanted in reached, where, "does not reach", wanted, "but", sorted(reached))


def choosing(browser, file, data):
    """Another clustering, another theme, a calm page."""
    where = f"{file.stem} {browser.where}:"
    second = data["clusterings"][1]
    browser.js("const s = document.querySelector('select.clustering'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", second["name"])
    drawn = browser.js("return cdcReport.drawn")
    check(
        drawn["clustering"] == second["name"] and drawn["confusion"] == len(second["confusion"]),
        where,
        "choosing a clustering draws",
        drawn["clustering"],
        drawn["confusion"],
    )
    names = browser.js("return [...document.querySelectorAll('select.clustering')].map((s) => s.value)")
    check(names == [second["name"]] * 2, where, "its selectors say", names)
    chart, plot = browser.pixels("#confusion canvas").copy(), browser.pixels("canvas.embedding")[2, 2].tolist()
    browser.view(1280, 900, dark=True, calm=True)
    browser.frame()
    check(browser.pixels("canvas.embedding")[2, 2].tolist() != plot, where, "the embedding stays light in the dark")
    dark = browser.pixels("#confusion canvas")
    check(dark.shape != chart.shape or (dark != chart).any(), where, "charts stay light in the dark")
    check(
        browser.js("return getComputedStyle(document.documentElement).scrollBehavior") == "auto"
        or browser.js("return document.documentElement.style.scrollBehavior") == "auto",
        where,
        "scrolls smoothly when asked for calm",
    )
    browser.view(1280, 900, dark=False)


def printed(browser, file, least):
    """On paper: pages, light, everything of the gallery, and as before afterwards."""
    where = f"{file.stem} {browser.where}: print"
    before = browser.js("return getComputedStyle(document.body).backgroundColor")
    browser.js("""window.onPaper = null; addEventListener('beforeprint', () => { window.onPaper = {
        theme: getComputedStyle(document.documentElement).getPropertyValue('--page').trim(),
        widest: Math.max(0, ...[...document.querySelectorAll('.chart')].map((c) => c.getBoundingClientRect().width)),
        empty: [...document.querySelectorAll('.gallery .rows')].filter((r) => !r.children.length).length }}, {once: true})""")
    pdf = base64.b64decode(browser.cdp("Page.printToPDF", printBackground=False)["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    check(pdf.startswith(b"%PDF") and pages >= least, where, "has", pages, "pages")
    paper = browser.js("return window.onPaper")
    check(paper and paper["theme"] == "#ffffff" and paper["widest"] <= 700 and paper["empty"] == 0, where, "is not made ready for paper:", paper)
    browser.frame()
    check(
        browser.js("return getComputedStyle(document.body).backgroundColor") == before and not browser.js("return theme.printing"),
        where,
        "the page is not as before",
    )
    browser.quiet(file)
    return pages


def absent(browser, file, data):
    """Whatever the data lacks, the page shows the rest, and what can be pressed on it works."""
    one_less = lambda part, key: {k: v for k, v in part.items() if k != key}
    variants = {key: one_less(data, key) for key in data if key not in ("kind", "title", "made")}
    for key in data.get("clusterings", [{}])[0]:
        variants[f"clusterings.{key}"] = {**data, "clusterings": [one_less(data["clusterings"][0], key), *data["clusterings"][1:]]}
    for what, variant in variants.items():
        file.write_text(fixtures.page(variant))
        problems_before = len(problems)
        browser.open(file)
        browser.js(
            """for (const rows of document.querySelectorAll('.gallery .rows')) rows.build();
               const map = cdcReport.report.embedding;
               for (let i = 0; map && i < map.count; i += 10) map.select(i, 'key');
               for (const one of document.querySelectorAll('input[type=radio], th button')) one.click();
               for (const one of document.querySelectorAll('select')) {
                 one.selectedIndex = one.options.length - 1;
                 one.dispatchEvent(new Event('change'));
               }
               dispatchEvent(new Event('beforeprint'));
               dispatchEvent(new Event('afterprint'))"""
        )
        browser.frame()
        browser.quiet(file)
        check(len(problems) == problems_before, "so much for a", data["kind"], "without", what)
    return len(variants)


def sorting(browser, file, data):
    """The table of a sweep sorts by a score, the best first, what is missing last; then the other way."""
    where, at = f"{file.stem} {browser.where}: table", 2
    head = f"#table thead th:nth-child({at + 1})"
    read = lambda: browser.js("return [...document.querySelectorAll('#table tbody tr')].map((r) => r.children[2].textContent)")
    means = [r["values"][0]["mean"] for r in data["table"]["rows"] if r["values"][0]]
    number = lambda text: float((re.search(r"0\.\d+", text) or [np.nan])[0])
    for way, order in (("descending", sorted(means, reverse=True)), ("ascending", sorted(means))):
        browser.js("document.querySelector(arguments[0]).querySelector('button').click()", head)
        texts = read()
        check(browser.js("return document.querySelector(arguments[0]).getAttribute('aria-sort')", head) == way, where, "does not say that it is", way)
        check(np.allclose([number(t) for t in texts[: len(means)]], order, atol=0.0051), where, way, "is", texts)
        check(all(t == "none" for t in texts[len(means) :]), where, "what is missing is not last:", texts)
    best = browser.js("return [...document.querySelectorAll('#table .best')].map((b) => b.textContent)")
    check(best == ["★ 0.680 ± 0.012"], where, "marks as best", best)
    check("0.620 ± 0.001" in browser.js("return document.querySelector('#table').textContent"), where, "digits are not those of cdc-sweep's tables")
    table = browser.js("return document.querySelector('#table').textContent")
    for text in ("★ above every other row of its column at 5 %", "[0.650, 0.710]", "−0.100 [-0.150, -0.050], p = 0.012", "highest"):
        check(text in table, where, "lacks", text)
    cells = browser.js("return document.querySelector('#cells').textContent")
    check(cells.count("the loss is not a number at step 812") == 6 and "✗ failed" in cells, where, "failures lack their messages")


if missing():
    print(json.dumps({"skip": missing()}))
    sys.exit(0)
folder = pathlib.Path(sys.argv[1]).resolve()
data = {
    "ten": fixtures.run(),
    "many": fixtures.run(samples=70000, clusterings=1, side=8),
    "hundred": fixtures.run(samples=5000, classes=100, labelled=False, clusterings=1, side=12),
    "thousand": fixtures.run(samples=20000, classes=1000, clusterings=1, side=4, each=2),
    "sweep": fixtures.sweep(),
    "nasty": fixtures.nasty(),
    "bare": fixtures.bare(),
    "bare_sweep": fixtures.bare("sweep"),
}
files = {}
for name, one in data.items():
    files[name] = folder / f"{name}.html"
    files[name].write_text(fixtures.page(one))
browser, views, pages = Browser(), 0, {}
try:
    for width, height in ((360, 740), (1280, 900)):
        for dark in (False, True):
            browser.view(width, height, dark)
            for name in data:
                if name in ("many", "thousand") and dark != (width > 1000):
                    continue
                drawn = shows(browser, files[name], data[name])
                views += 1
                if drawn is None:
                    continue
                if name == "ten":
                    pointing(browser, files[name], data[name])
                    gallery(browser, files[name], data[name])
                if name == "many":
                    check(drawn["embedding"]["shown"] == 70000, name, browser.where, "shows", drawn["embedding"]["shown"])
                if name == "nasty":
                    check(
                        browser.js("return document.body.innerText").count("<script>alert(1)</script>") > 10,
                        name,
                        browser.where,
                        "does not show its names as they are",
                    )
                if dark == (width > 1000) and name in ("ten", "hundred", "sweep", "bare"):
                    pages[f"{name} {width}"] = printed(browser, files[name], {"ten": 4, "hundred": 4, "sweep": 2, "bare": 1}[name])
    browser.view(360, 740, False)
    browser.open(files["ten"])
    touching(browser, files["ten"])
    browser.view(1280, 900, False)
    lacking = absent(browser, folder / "absent.html", fixtures.run(samples=120, classes=3, names=["a", "b", "c"]))
    lacking += absent(browser, folder / "absent.html", fixtures.sweep())
    browser.open(files["hundred"])
    gallery(browser, files["hundred"], data["hundred"])
    browser.open(files["sweep"])
    sorting(browser, files["sweep"], data["sweep"])
    browser.open(files["ten"])
    keys(browser, files["ten"])
    choosing(browser, files["ten"], data["ten"])
    browser.quiet(files["ten"])
    browser.open(files["many"])
    times = browser.js(
        "const m = cdcReport.report.embedding, t = []; for (let k = 0; k < 25; ++k) { m.x += 50; m.render(); t.push(m.milliseconds); } return t"
    )
    frame = float(np.median(times[5:]))
    check(frame < 250, "70,000 points take", frame, "ms to draw")
finally:
    browser.driver.quit()
print(json.dumps({"problems": problems, "views": views, "pages": pages, "milliseconds": frame, "lacking": lacking}))
