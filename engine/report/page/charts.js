"use strict";
// Charts by ECharts: sized with their box, drawn again when the theme changes and for paper, each with a sentence for those who do not see it.

const charts = new Set(); // what is on the page: { box, make, instance }

const fonts = () => getComputedStyle(document.body).fontFamily;

/** A chart in a new box. `make(colours, width)` gives ECharts' option; `label` is a sentence in its place; `height` may depend on the width. */
function chartBox({ label, height, make, className = "" }) {
  const box = el("div", { class: `chart ${className}`, role: "img", "aria-label": label });
  const entry = { box, make, height, instance: null };
  entry.draw = () => drawChart(entry);
  charts.add(entry);
  return entry;
}

function chartHeight(entry) {
  return typeof entry.height === "function" ? entry.height(entry.box.clientWidth) : entry.height;
}

function drawChart(entry) {
  const height = chartHeight(entry);
  entry.box.style.height = `${height}px`;
  if (!entry.instance) {
    const devicePixelRatio = Math.max(2, window.devicePixelRatio || 1); // two at least, for paper
    entry.instance = echarts.init(entry.box, null, { renderer: "canvas", devicePixelRatio, width: entry.box.clientWidth, height });
    // ECharts makes boxes of its own, which nobody needs to reach.
    for (const child of entry.box.children) child.setAttribute("aria-hidden", "true");
  } else {
    entry.instance.resize({ width: entry.box.clientWidth, height });
  }
  entry.width = entry.box.clientWidth;
  const colours = {
    text: theme.colour("text"),
    muted: theme.colour("muted"),
    line: theme.colour("line"),
    page: theme.colour("page"),
    accent: theme.colour("accent"),
  };
  entry.instance.setOption(
    { animation: false, textStyle: { fontFamily: fonts(), color: colours.text }, ...entry.make(colours, entry.box.clientWidth) },
    { notMerge: true },
  );
  if (theme.printing) entry.instance.getZr().painter.refresh({ paintAll: true });
}

/** Draws every chart again: in another theme, or for paper. */
function drawCharts() {
  dropCharts();
  for (const entry of charts) if (entry.box.clientWidth > 0) drawChart(entry);
}
/** Lets go of the charts that have left the page. */
function dropCharts() {
  for (const entry of charts) {
    if (entry.box.isConnected) continue;
    if (entry.instance) entry.instance.dispose();
    charts.delete(entry);
  }
}

const chartSizes = new ResizeObserver((changes) => {
  if (theme.printing) return;
  for (const { target } of changes)
    for (const entry of charts) if (entry.box === target && target.clientWidth > 0 && target.clientWidth !== entry.width) drawChart(entry);
});

/** Puts a chart into its parent and draws it. */
function place(entry, parent) {
  parent.append(entry.box);
  drawChart(entry);
  chartSizes.observe(entry.box);
  return entry;
}

// ---- parts of options ----------------------------------------------------------------------------------------------------------------

function axis(colours, more = {}) {
  const { axisLabel = {}, ...rest } = more;
  return {
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.muted, fontSize: 11, hideOverlap: true, ...axisLabel },
    nameTextStyle: { color: colours.muted, fontSize: 11 },
    ...rest,
  };
}

/** ECharts' tooltip, whose content is an element, so that no name is read as HTML. */
function tooltip(colours, more) {
  return {
    confine: true,
    backgroundColor: colours.page,
    borderColor: colours.line,
    borderWidth: 1,
    padding: [6, 10],
    textStyle: { color: colours.text, fontSize: 12 },
    extraCssText: "box-shadow: 0 2px 8px rgba(0,0,0,.18); max-width: 280px; white-space: normal;",
    transitionDuration: 0,
    ...more,
  };
}
function tip(title, lines) {
  return el(
    "div",
    { class: "tip" },
    el("strong", { text: title }),
    lines.map((line) => el("div", { text: line })),
  );
}

// ---- Chart objects of the data -------------------------------------------------------------------------------------------------------

/** As many digits as ticks of a narrow axis need to differ. */
const tickText = (v) =>
  figure(v, 6)
    .replace(/(\.\d*?)0+(e|$)/, "$1$2")
    .replace(/\.(e|$)/, "$1");
const isLog = (chart, which) => chart.logarithmic === which || chart.logarithmic === "xy" || (which === "x" && chart.logarithmic === true);

/** What a chart shows, in sentences. */
function describe(chart) {
  const of = (chart.series || []).map((s) => {
    const finite = (s.y || []).filter(Number.isFinite);
    if (finite.length === 0) return `${s.name}: no values.`;
    if (chart.categories && chart.categories.length)
      return `${s.name || "values"}: ${s.y
        .map((y, i) => `${chart.categories[s.x ? s.x[i] : i]} ${figure(y, 3)}`)
        .slice(0, 12)
        .join(", ")}.`;
    const [least, most] = finite.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
    const [first, last, low, high] = [finite[0], finite[finite.length - 1], least, most].map((y) => figure(y, 3));
    return `${s.name || "the line"}: from ${first} to ${last}, least ${low}, most ${high}.`;
  });
  const more = of.length > 8 ? ` And ${of.length - 8} more.` : "";
  return `Chart: ${chart.title || chart.name || ""}${chart.x_title ? `, by ${chart.x_title}` : ""}. ${of.slice(0, 8).join(" ")}${more}`;
}

/** A figure of a Chart object; lines over numbers, points with whiskers over names. The entry's series are what is drawn. */
function chartFigure(chart, parent) {
  const named = Array.isArray(chart.categories) && chart.categories.length > 0;
  const series = (chart.series || []).filter((s) => (s.y || []).some(Number.isFinite));
  const caption = el("figcaption", {}, el("span", { class: "name", text: chart.title || chart.name || "" }));
  if (chart.y_title && chart.y_title !== chart.title) caption.append(" ", el("span", { class: "muted", text: chart.y_title }));
  const node = el("figure", { class: named ? "wide" : "" }, caption);
  parent.append(node);
  if (series.length === 0) {
    node.append(el("p", { class: "muted", text: "There are no values to draw." }));
    return 0;
  }
  const many = series.length > 1;
  if (many) node.append(seriesKey(series));
  const height = named ? 46 + chart.categories.length * Math.max(26, 10 + series.length * 12) : 220;
  place(
    chartBox({ label: describe(chart), height, make: (c, width) => (named ? pointsOption(chart, series, c, width) : linesOption(chart, series, c)) }),
    node,
  );
  return series.length;
}

/** Which colour and which mark is which series; the marks differ too. */
const MARKS = ["circle", "rect", "triangle", "diamond"];
function seriesKey(series) {
  const key = el("ul", { class: "key" });
  const paint = () => {
    const colours = categoryColours(series.length, theme.name);
    key.replaceChildren(
      ...series.map((s, i) =>
        el(
          "li",
          {},
          svg("svg", { class: "mark", viewBox: "0 0 12 12", "aria-hidden": "true" }, markShape(MARKS[i % 4], colours[i])),
          s.name || `series ${i + 1}`,
        ),
      ),
    );
  };
  paint();
  repaints.add(paint);
  return key;
}
const repaints = new Set(); // what else is drawn in the theme's colours
function markShape(mark, colour) {
  if (mark === "rect") return svg("rect", { x: 2, y: 2, width: 8, height: 8, fill: colour });
  if (mark === "triangle") return svg("path", { d: "M6 1 11 10 1 10Z", fill: colour });
  if (mark === "diamond") return svg("path", { d: "M6 0 12 6 6 12 0 6Z", fill: colour });
  return svg("circle", { cx: 6, cy: 6, r: 4.5, fill: colour });
}

function linesOption(chart, series, c) {
  const colours = categoryColours(series.length, theme.name);
  const xs = (s, i) => (s.x && s.x.length ? s.x[i] : i);
  const can = (v, which) => Number.isFinite(v) && (v > 0 || !isLog(chart, which)); // what an axis can show
  const drawn = [];
  series.forEach((s, k) => {
    if (s.low && s.high && s.low.length && s.high.length) {
      const band = s.y.map((_, i) => [xs(s, i), s.low[i], s.high[i]]).filter(([x, low, high]) => can(x, "x") && can(low, "y") && can(high, "y"));
      drawn.push({
        type: "custom",
        data: band,
        encode: { x: 0, y: [1, 2] },
        silent: true,
        z: 1,
        tooltip: { show: false },
        clip: true,
        renderItem: (params, api) => {
          if (params.dataIndex !== 0) return null;
          const points = [...band.map((p) => api.coord([p[0], p[2]])), ...band.map((p) => api.coord([p[0], p[1]])).reverse()];
          return { type: "polygon", shape: { points }, style: { fill: colours[k], opacity: 0.18 } };
        },
      });
    }
    const points = s.y.map((y, i) => [can(xs(s, i), "x") ? xs(s, i) : null, can(y, "y") ? y : null]);
    drawn.push({
      type: "line",
      of: k,
      name: s.name,
      data: points,
      symbol: MARKS[k % 4],
      symbolSize: 5,
      showSymbol: points.length <= 24,
      z: 2,
      sampling: points.length > 2000 ? "lttb" : undefined,
      connectNulls: false,
      lineStyle: { width: 1.75 },
      color: colours[k],
      emphasis: { disabled: true },
    });
  });
  const named = series.length > 1; // which series a line is: `of`
  return {
    grid: { left: 6, right: 14, top: 10, bottom: chart.x_title ? 24 : 6, containLabel: true },
    xAxis: axis(c, {
      type: isLog(chart, "x") ? "log" : "value",
      scale: true,
      name: short(chart.x_title || "", 40),
      nameLocation: "middle",
      nameGap: 26,
      splitLine: { show: false },
      axisLabel: { formatter: tickText },
      min: "dataMin",
      max: "dataMax",
    }),
    yAxis: axis(c, {
      type: isLog(chart, "y") ? "log" : "value",
      scale: true,
      splitNumber: 4,
      axisLine: { show: false },
      axisLabel: { formatter: tickText },
    }),
    tooltip: tooltip(c, {
      trigger: "axis",
      axisPointer: { type: "line", lineStyle: { color: c.muted, width: 1 }, label: { show: false } },
      formatter: (items) => {
        const shown = items.filter((i) => i.seriesType === "line");
        if (shown.length === 0) return "";
        const title = `${chart.x_title || "x"} ${figure(shown[0].value[0])}`;
        return tip(
          title,
          shown.map((i) => {
            const s = series[drawn[i.seriesIndex].of],
              low = s.low && s.low[i.dataIndex],
              high = s.high && s.high[i.dataIndex];
            const range = Number.isFinite(low) && Number.isFinite(high) ? ` (${figure(low)} to ${figure(high)})` : "";
            return `${named && s.name ? `${short(s.name)}: ` : ""}${figure(i.value[1])}${range}`;
          }),
        );
      },
    }),
    series: drawn,
  };
}

function pointsOption(chart, series, c, width) {
  const colours = categoryColours(series.length, theme.name);
  const step = Math.min(12, 60 / series.length);
  const most = Math.max(8, Math.floor(width / 3 / 6.5));
  return {
    grid: { left: 6, right: 18, top: 4, bottom: 24, containLabel: true },
    xAxis: axis(c, {
      type: "value",
      scale: true,
      name: chart.y_title,
      nameLocation: "middle",
      nameGap: 26,
      splitNumber: width < 480 ? 3 : 5,
      axisLabel: { formatter: tickText },
    }),
    yAxis: axis(c, {
      type: "category",
      data: chart.categories,
      inverse: true,
      splitLine: { show: true, lineStyle: { color: c.line } },
      axisLabel: { color: c.text, fontSize: 12, interval: 0, formatter: (name) => short(name, most) },
      axisLine: { show: false },
    }),
    tooltip: tooltip(c, {
      trigger: "item",
      formatter: (item) => {
        const [at, y, low, high] = item.value;
        const range = Number.isFinite(low) && Number.isFinite(high) && low !== high ? [`${figure(low)} to ${figure(high)}`] : [];
        return tip(chart.categories[at], [`${series[item.seriesIndex].name ? `${series[item.seriesIndex].name}: ` : ""}${figure(y)}`, ...range]);
      },
    }),
    series: series.map((s, k) => ({
      type: "custom",
      name: s.name,
      encode: { x: [1, 2, 3], y: 0 },
      color: colours[k],
      data: s.y
        .map((y, i) => [s.x && s.x.length ? s.x[i] : i, y, s.low && s.low.length ? s.low[i] : y, s.high && s.high.length ? s.high[i] : y])
        .filter((p) => Number.isFinite(p[1])),
      renderItem: (_, api) => {
        const shift = (k - (series.length - 1) / 2) * step;
        const at = api.value(0),
          [x, y] = api.coord([api.value(1), at]),
          [low] = api.coord([api.value(2), at]),
          [high] = api.coord([api.value(3), at]);
        const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colours[k], lineWidth: 1.5 } });
        const whisker =
          high - low > 1
            ? [line(low, y + shift, high, y + shift), line(low, y + shift - 4, low, y + shift + 4), line(high, y + shift - 4, high, y + shift + 4)]
            : [];
        return {
          type: "group",
          children: [
            ...whisker,
            {
              type: "path",
              shape: { pathData: MARK_PATHS[k % 4], x: -5, y: -5, width: 10, height: 10 },
              x,
              y: y + shift,
              style: { fill: colours[k] },
            },
          ],
        };
      },
    })),
  };
}
const MARK_PATHS = ["M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0Z", "M0 0H10V10H0Z", "M5 0L10 9L0 9Z", "M5 0L10 5L5 10L0 5Z"];
