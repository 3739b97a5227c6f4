"use strict";
// What a clustering found: how large its clusters are, which classes they meet, and pictures of each.

const FEW = 40; // up to so many clusters and classes have their names beside a chart, and numbers in their cells

function sizesChart(report, parent, drawn) {
  const { clustering } = report,
    order = clustering.order,
    sizes = clustering.sizes,
    few = order.length <= FEW;
  const total = sizes.reduce((a, b) => a + b, 0),
    even = total / Math.max(1, sizes.length);
  const by = [...order].sort((a, b) => sizes[b] - sizes[a]);
  const label = `Bar chart: sizes of ${plural(order.length, "cluster")}. Largest: ${by
    .slice(0, 3)
    .map((k) => `${report.clusterName(k)}, ${counted(sizes[k])}`)
    .join("; ")}. Smallest: ${report.clusterName(by[by.length - 1])}, ${counted(sizes[by[by.length - 1]])}.`;
  const empty = sizes.filter((s) => s === 0).length;
  parent.append(
    el("p", {
      class: "muted",
      text: say(
        `${plural(total, "sample")} in ${plural(order.length, "cluster")}; evenly spread, each would have ${counted(even)}.`,
        `The largest has ${counted(sizes[by[0]])}, the smallest ${counted(sizes[by[by.length - 1]])}.`,
        empty && `${plural(empty, "cluster is", "clusters are")} empty.`,
      ),
    }),
  );
  const tell = (c) =>
    tooltip(c, {
      trigger: "axis",
      axisPointer: { type: "shadow" },
      formatter: ([item]) => {
        const k = order[item.dataIndex];
        return tip(report.clusterName(k), [
          `${plural(sizes[k], "sample")}, ${percent(sizes[k] / Math.max(1, total))}`,
          ...(clustering.purity ? [`${percent(clustering.purity[k])} of its labels are its class's`] : []),
        ]);
      },
    });
  const make = (c, width) => {
    const colours = report.clusterColours();
    const bars = {
      type: "bar",
      data: order.map((k) => ({ value: sizes[k], itemStyle: { color: few ? colours[k] : c.accent } })),
      barCategoryGap: few ? "28%" : "0%",
      emphasis: { disabled: true },
    };
    if (few) {
      const most = Math.max(10, Math.floor((width * 0.4) / 6.6));
      return {
        grid: { left: 4, right: 56, top: 2, bottom: 2, containLabel: true },
        tooltip: tell(c),
        xAxis: { type: "value", show: false, max: "dataMax" },
        yAxis: axis(c, {
          type: "category",
          inverse: true,
          data: order.map((k) => report.clusterName(k)),
          axisLine: { show: false },
          axisLabel: { color: c.text, fontSize: 12, interval: 0, formatter: (n) => short(n, most) },
        }),
        series: [
          { ...bars, barMaxWidth: 18, label: { show: true, position: "right", color: c.muted, fontSize: 11, formatter: (i) => counted(i.value) } },
        ],
      };
    }
    return {
      grid: { left: 4, right: 8, top: 8, bottom: 26, containLabel: true },
      tooltip: tell(c),
      xAxis: axis(c, {
        type: "category",
        data: order.map(String),
        splitLine: { show: false },
        name: clustering.matching ? "clusters, in the order of their classes" : "clusters, the largest first",
        nameLocation: "middle",
        nameGap: 24,
      }),
      yAxis: axis(c, { type: "value", splitNumber: 4, axisLine: { show: false }, axisLabel: { formatter: (v) => counted(v) } }),
      series: [{ ...bars, label: { show: false } }],
    };
  };
  const chart = place(chartBox({ label, height: few ? 8 + 26 * order.length : 240, make }), parent);
  drawn.sizes = order.length;
  return chart;
}

function confusionChart(report, parent, drawn) {
  const { clustering, classes } = report,
    order = clustering.order,
    row = new Map(order.map((k, r) => [k, r]));
  const entries = clustering.confusion.filter((e) => e[2] > 0),
    few = Math.max(order.length, classes.length) <= FEW;
  const ofCluster = clustering.rowSums,
    ofClass = clustering.columnSums,
    total = ofCluster.reduce((a, b) => a + b, 0);
  const hit = entries.filter(([k, c]) => clustering.matching && clustering.matching[k] === c).reduce((sum, e) => sum + e[2], 0);
  let by = "cluster";
  const share = ([k, c, n]) => n / Math.max(1, by === "cluster" ? ofCluster[k] : ofClass[c]);
  const wrong = entries
    .filter(([k, c]) => !clustering.matching || clustering.matching[k] !== c)
    .sort((a, b) => b[2] - a[2])
    .slice(0, 3);
  const worst = wrong.map(([k, c, n]) => `${counted(n)} of ${classes[c]} in ${report.clusterName(k)}`).join("; ");
  parent.append(
    el("p", {
      class: "muted",
      text: say(
        "Rows are clusters, columns classes; clusters stand in the order of their classes, so that what agrees lies on the diagonal.",
        clustering.matching &&
          `${counted(hit)} of ${counted(total)} labelled samples (${percent(hit / Math.max(1, total))}) are in their class's cluster.`,
        worst && `Most that are not: ${worst}.`,
      ),
    }),
  );
  // Room for names left and above, and the size of a cell; a matrix of many fits on a screen.
  const geometry = (width) => {
    const wide = width >= 560,
      widest = (names, most, size) => Math.max(...names.map((n) => textWidth(short(n, most), size)));
    const left = !few
      ? 48
      : wide
        ? 14 +
          widest(
            order.map((k) => report.clusterName(k)),
            24,
            12,
          )
        : 30;
    const top = few ? 18 + 0.82 * widest(classes, wide ? 24 : 14, 11) : 34;
    const cell = Math.min(few ? 60 : 720 / Math.max(order.length, classes.length), (width - left - 14) / classes.length);
    return { wide, left, top, cell, height: order.length * (few ? Math.min(34, cell) : cell) };
  };
  const make = (c, width) => {
    const dark = theme.name === "dark",
      { wide, left, top, cell, height } = geometry(width);
    const scale = dark ? ["#1d2228", "#24466a", "#3a7fc0", "#a9d6ff"] : ["#f3f5f8", "#c3d9ee", "#5b9bd1", "#0b4480"];
    return {
      grid: { left, width: cell * classes.length, top, height },
      xAxis: axis(c, {
        type: "category",
        position: "top",
        data: classes,
        axisLine: { show: false },
        splitLine: { show: false },
        name: few ? "" : "classes",
        nameLocation: "middle",
        nameGap: 20,
        axisLabel: few
          ? { color: c.text, fontSize: 11, interval: 0, rotate: -55, hideOverlap: false, formatter: (n) => short(n, wide ? 24 : 14) }
          : { formatter: (n, i) => String(i), interval: Math.ceil(classes.length / 8) - 1 },
      }),
      yAxis: axis(c, {
        type: "category",
        inverse: true,
        data: order.map((k) => (few ? (wide ? report.clusterName(k) : String(k)) : String(k))),
        axisLine: { show: false },
        splitLine: { show: false },
        axisLabel: few
          ? { color: c.text, fontSize: wide ? 12 : 11, interval: 0, hideOverlap: cell < 12, formatter: (n) => short(n, 24) }
          : { interval: Math.ceil(order.length / 12) - 1 },
      }),
      tooltip: tooltip(c, {
        trigger: "item",
        formatter: ({ data: item }) => {
          const [k, cls, n] = item.entry;
          return tip(`${report.clusterName(k)}, ${classes[cls]}`, [
            plural(n, "sample"),
            `${percent(n / Math.max(1, ofCluster[k]))} of the cluster`,
            `${percent(n / Math.max(1, ofClass[cls]))} of the class`,
            ...(clustering.matching && clustering.matching[k] === cls ? ["matched: this is the cluster's class"] : []),
          ]);
        },
      }),
      series: [
        {
          type: "custom",
          progressiveThreshold: Infinity,
          emphasis: { disabled: true },
          encode: { x: 0, y: 1 },
          data: entries.map((e) => ({ value: [e[1], row.get(e[0]), share(e)], entry: e })),
          // ECharts' own heat map draws in time slices, of which paper would get the first.
          renderItem: (params, api) => {
            const s = api.value(2),
              [x, y] = api.coord([api.value(0), api.value(1)]),
              [w, h] = api.size([1, 1]),
              gap = cell > 8 ? 1 : 0;
            const e = entries[params.dataIndex],
              matched = clustering.matching && clustering.matching[e[0]] === e[1];
            const rect = {
              type: "rect",
              shape: { x: x - w / 2, y: y - h / 2, width: Math.max(1, w - gap), height: Math.max(1, h - gap) },
              style: { fill: ramp(scale, s), ...(matched && gap ? { stroke: c.text, lineWidth: 1 } : {}) },
              z2: matched ? 1 : 0,
            };
            if (!few || cell < 20 || s < 0.005) return rect;
            const ink = s > 0.45 ? (dark ? "#0d1420" : "#ffffff") : c.text;
            return {
              type: "group",
              children: [
                rect,
                {
                  type: "text",
                  style: {
                    text: String(Math.round(100 * s)),
                    x,
                    y,
                    align: "center",
                    verticalAlign: "middle",
                    fill: ink,
                    font: `${cell >= 30 ? 11 : 9}px ${fonts()}`,
                  },
                  z2: 2,
                },
              ],
            };
          },
        },
      ],
    };
  };
  const height = (width) => geometry(width).top + geometry(width).height + 8;
  const label = say(
    `Confusion matrix of ${plural(order.length, "cluster")} and ${plural(classes.length, "class", "classes")}.`,
    clustering.matching && `After matching, ${percent(hit / Math.max(1, total))} of labelled samples are in their class's cluster.`,
    worst && `Most that are not: ${worst}.`,
  );
  const entry = chartBox({ label, height, make });
  const radio = (value, text) =>
    el(
      "label",
      {},
      el("input", { type: "radio", name: "confusion-by", value, checked: value === by, on: { change: () => ((by = value), told(), entry.draw()) } }),
      text,
    );
  const paper = el("p", { class: "paper muted" });
  const told = () => (paper.textContent = `${few ? "Numbers and colours are percent of" : "Colours are shares of"} the ${by}.`);
  told();
  parent.append(
    paper,
    el(
      "fieldset",
      { class: "choice controls" },
      el("legend", { text: few ? "Numbers and colours are percent of" : "Colours are shares of" }),
      radio("cluster", "the cluster"),
      radio("class", "the class"),
    ),
  );
  place(entry, parent);
  drawn.confusion = entries.length;
  return entry;
}

// ---- gallery -------------------------------------------------------------------------------------------------------------------------

const PAGE = 12; // clusters at once
const KINDS_OF_ROWS = [
  ["certain", "Most certain"],
  ["uncertain", "Least certain"],
  ["doubtful", "Most likely wrong"],
];

/** One sample: its picture, and its label, marked where that is not the cluster's class. */
function galleryItem(report, sample, cluster) {
  const label = report.labelOf(sample),
    wanted = report.clustering.matching ? report.clustering.matching[cluster] : -1;
  const name = label < 0 ? "" : report.classes[label],
    other = label >= 0 && wanted >= 0 && label !== wanted;
  const picture = el("canvas", {
    width: 1,
    height: 1,
    role: "img",
    "aria-label": `${report.sampleName(sample)}${name ? `, labelled ${name}` : ""}${other ? ", not the cluster's class" : ""}`,
  });
  if (!report.drawPicture(picture, sample)) picture.classList.add("missing");
  return el(
    "li",
    { class: other ? "other" : "", title: `${report.sampleName(sample)}${name ? `: ${name}` : ""}` },
    picture,
    name
      ? el("span", { class: "label" }, other ? el("span", { class: "sign", text: "× " }) : "", name)
      : report.labels
        ? el("span", { class: "label muted", text: "no label" })
        : null,
  );
}

function gallerySection(report, parent, drawn) {
  const { clustering } = report,
    rank = new Map(clustering.order.map((k, r) => [k, r]));
  const sorts = {
    class: [clustering.matching ? "class" : "size", (a, b) => rank.get(a.cluster) - rank.get(b.cluster)],
    number: ["number", (a, b) => a.cluster - b.cluster],
    ...(clustering.purity
      ? {
          size: ["size", (a, b) => clustering.sizes[b.cluster] - clustering.sizes[a.cluster]],
          purity: ["share of its class, least first", (a, b) => clustering.purity[a.cluster] - clustering.purity[b.cluster]],
        }
      : {}),
  };
  let entries = [...clustering.gallery].sort(sorts.class[1]),
    page = 0;
  const pages = Math.ceil(entries.length / PAGE),
    list = el("div", { class: report.pictureSize() > 40 ? "gallery large" : "gallery" });
  const counts = (drawn.gallery = { clusters: 0, images: 0, marked: 0, of: entries.length, page: 0 });
  const known = report.labels !== null && Boolean(clustering.matching);
  parent.append(
    el("p", {
      class: "muted",
      text: say(
        clustering.certainty && `Certainty is the ${clustering.certainty}.`,
        "Most likely wrong are those whose place in the cluster is doubted most.",
        known && "× marks an image whose label is not the cluster's class.",
      ),
    }),
  );

  const watcher = new IntersectionObserver((seen) => seen.forEach((s) => s.isIntersecting && s.target.build()), { rootMargin: "600px" });
  const cluster = (entry) => {
    const k = entry.cluster,
      body = el("div", { class: "rows" });
    const facts = [
      plural(clustering.sizes[k], "image"),
      ...(clustering.purity && clustering.rowSums[k] > 0 && clustering.matching[k] >= 0 ? [`${percent(clustering.purity[k])} labelled so`] : []),
    ];
    const node = el(
      "article",
      { class: "cluster", id: `cluster-${k}` },
      el(
        "h4",
        {},
        el("span", { class: "name", text: clustering.matching ? `Cluster ${report.clusterName(k)}` : report.clusterName(k) }),
        " ",
        el("span", { class: "muted", text: facts.join(", ") }),
      ),
      body,
    );
    body.build = () => {
      watcher.unobserve(body);
      if (body.built) return;
      body.built = true;
      counts.clusters += 1;
      for (const [key, title] of KINDS_OF_ROWS) {
        const samples = entry[key] || [];
        if (samples.length === 0) continue;
        const items = samples.map((s) => galleryItem(report, s, k));
        counts.images += items.length;
        counts.marked += items.filter((i) => i.classList.contains("other")).length;
        body.append(el("div", { class: "row" }, el("h5", { text: title }), el("ul", {}, items)));
      }
      if (!body.hasChildNodes()) body.append(el("p", { class: "muted", text: "No images of this cluster." }));
      body.style.minHeight = "";
    };
    body.style.minHeight = "260px";
    return node;
  };
  const where = el("p", { class: "where muted", role: "status" });
  const jump = el("select", { "aria-label": "Go to a cluster" });
  const turn = (to, focus) => {
    page = Math.max(0, Math.min(pages - 1, to));
    counts.page = page;
    watcher.disconnect();
    list.replaceChildren(...entries.slice(page * PAGE, (page + 1) * PAGE).map(cluster));
    for (const body of list.querySelectorAll(".rows")) watcher.observe(body);
    where.textContent =
      pages > 1
        ? `${counted(page * PAGE + 1)} to ${counted(Math.min(entries.length, (page + 1) * PAGE))} of ${plural(entries.length, "cluster")}`
        : "";
    for (const b of buttons) b.disabled = b.by < 0 ? page === 0 : page === pages - 1;
    if (focus !== undefined)
      document.getElementById(`cluster-${focus}`).scrollIntoView({ block: "start", behavior: theme.calm.matches ? "auto" : "smooth" });
  };
  const buttons = [
    [-1, "Previous"],
    [1, "Next"],
  ].map(([by, text]) => Object.assign(el("button", { type: "button", text, on: { click: () => turn(page + by) } }), { by }));
  const options = () => jump.replaceChildren(...entries.map((e, at) => el("option", { value: at, text: report.clusterName(e.cluster) })));
  jump.addEventListener("change", () => turn(Math.floor(jump.value / PAGE), entries[jump.value].cluster));
  const sort = el(
    "select",
    {},
    Object.entries(sorts).map(([value, [text]]) => el("option", { value, text })),
  );
  sort.addEventListener("change", () => {
    entries = [...entries].sort(sorts[sort.value][1]);
    options();
    turn(0);
  });
  options();
  parent.append(
    el(
      "div",
      { class: "controls" },
      entries.length > 1 ? el("label", {}, "Order by ", sort) : null,
      entries.length > 1 ? el("label", {}, "Go to ", jump) : null,
      pages > 1 ? buttons : null,
    ),
    where,
    list,
  );
  turn(0);
  // For paper everything of this page is drawn.
  report.beforePrint.push(() => {
    for (const body of list.querySelectorAll(".rows")) body.build();
  });
}

/** All parts of the chosen clustering, drawn anew when another is chosen. */
function clusteringParts(report, parent, drawn) {
  const { clustering } = report;
  const part = (id, title) => {
    const node = el("div", { class: "part", id }, el("h3", { text: title }));
    parent.append(node);
    return node;
  };
  if ((clustering.sizes || []).length) sizesChart(report, part("sizes", "Sizes of clusters"), drawn);
  if ((clustering.confusion || []).length && report.classes.length) confusionChart(report, part("confusion", "Clusters and classes"), drawn);
  if ((clustering.gallery || []).length) gallerySection(report, part("gallery", "Images of each cluster"), drawn);
}
