"use strict";
// The page from its data: sections in order, what they share, themes and paper. `window.cdcReport` tells tests when it is drawn, and what.

const NO_LABEL = 65535;

/** The data of a run with what its parts share: arrays unpacked, names of clusters and samples, pictures, the clustering that is chosen. */
class Report {
  constructor(data) {
    this.data = data;
    const samples = data.samples || {};
    this.labels = unpack(samples.labels);
    this.numbers = unpack(samples.numbers);
    this.classes = [...(samples.classes || [])];
    this.names = samples.names || {};
    this.thumbnails = data.thumbnails ? new Pictures(data.thumbnails) : null;
    this.pictures = data.pictures ? new Pictures(data.pictures) : null;
    this.beforePrint = [];
    this.listeners = [];
    this.nameClasses();
    this.clusterings = (data.clusterings || []).map((c) => this.prepare(c));
    this.clustering = this.clusterings[0] || null;
  }

  /** Classes without a name are called by their numbers. */
  nameClasses() {
    let most = -1;
    for (const label of this.labels || []) if (label !== NO_LABEL && label > most) most = label;
    for (const c of this.data.clusterings || []) for (const [, of] of c.confusion || []) if (of > most) most = of;
    for (let c = 0; c <= most; ++c) this.classes[c] = this.classes[c] || `class ${c}`;
  }

  /** A clustering with its sums, purity (share of a cluster's labels that are its class's) and the order in which clusters are told. */
  prepare(given) {
    const c = { ...given, of: unpack(given.cluster), sizes: given.sizes || [], confusion: given.confusion || [] };
    c.clusters = given.clusters || c.sizes.length;
    c.matching = given.matching && given.matching.length ? given.matching : null;
    c.rowSums = new Array(c.clusters).fill(0);
    c.columnSums = new Array(this.classes.length).fill(0);
    const own = new Array(c.clusters).fill(0);
    for (const [k, cls, n] of c.confusion) {
      c.rowSums[k] += n;
      c.columnSums[cls] += n;
      if (c.matching && c.matching[k] === cls) own[k] += n;
    }
    c.purity = c.matching && c.confusion.length ? own.map((n, k) => n / Math.max(1, c.rowSums[k])) : null;
    const last = (k) => (c.matching[k] < 0 ? Infinity : c.matching[k]);
    c.order = Array.from({ length: c.clusters }, (_, k) => k);
    if (c.matching) c.order.sort((a, b) => (last(a) === last(b) ? (c.sizes[b] || 0) - (c.sizes[a] || 0) : last(a) - last(b)));
    else c.order.sort((a, b) => (c.sizes[b] || 0) - (c.sizes[a] || 0) || a - b);
    return c;
  }

  choose(name) {
    this.clustering = this.clusterings.find((c) => c.name === name) || this.clustering;
    for (const select of document.querySelectorAll("select.clustering")) select.value = this.clustering.name;
    for (const listener of this.listeners) listener();
  }
  onClustering(listener) {
    this.listeners.push(listener);
  }
  /** A selector of the clustering, where there are several; all of them on the page choose together. */
  chooser() {
    if (this.clusterings.length < 2) return null;
    const select = el(
      "select",
      { class: "clustering", on: { change: () => this.choose(select.value) } },
      this.clusterings.map((c) => el("option", { value: c.name, text: c.name, selected: c === this.clustering })),
    );
    return el("label", {}, "Clustering ", select);
  }

  clusterName(k) {
    const { matching } = this.clustering;
    if (!matching) return `Cluster ${k}`;
    return matching[k] >= 0 ? `${k} · ${this.classes[matching[k]]}` : `${k} · no class`;
  }
  /** A cluster has the colour of its class, so that the two colourings of the embedding can be compared; those without a class what is left over. */
  clusterColours() {
    const { clusters, matching } = this.clustering;
    const colours = categoryColours(Math.max(clusters, matching ? this.classes.length : 0), theme.name);
    if (!matching) return colours;
    const left = colours.filter((_, i) => !matching.includes(i));
    return matching.map((m) => (m >= 0 ? colours[m] : left.shift() || theme.colour("muted")));
  }
  labelOf(i) {
    return this.labels && this.labels[i] !== undefined && this.labels[i] !== NO_LABEL ? this.labels[i] : -1;
  }
  sampleName(i) {
    const number = this.numbers ? this.numbers[i] : i;
    return this.names[i] ? `${this.names[i]}` : `sample ${number}`;
  }
  /** What is told of a sample: [what, value] each. */
  lines(i) {
    const out = [],
      label = this.labelOf(i),
      { clustering } = this;
    if (clustering && clustering.of) out.push(["cluster", this.clusterName(clustering.of[i])]);
    if (this.labels) {
      const other =
        clustering &&
        clustering.of &&
        clustering.matching &&
        label >= 0 &&
        clustering.matching[clustering.of[i]] >= 0 &&
        clustering.matching[clustering.of[i]] !== label;
      out.push(["label", label < 0 ? "none" : `${other ? "× " : ""}${this.classes[label]}`]);
    }
    out.push(["sample", String(this.numbers ? this.numbers[i] : i)]);
    if (this.names[i]) out.push(["name", this.names[i]]);
    return out;
  }
  sentence(i) {
    return `${this.lines(i)
      .map(([what, is]) => `${what} ${is}`)
      .join(", ")}.`;
  }

  pictureSize() {
    const p = this.pictures || this.thumbnails;
    return p ? Math.max(p.width, p.height) : 0;
  }
  /** Draws the larger picture of a sample, else its thumbnail; false where there is neither. */
  drawPicture(canvas, i) {
    const from = [this.pictures, this.thumbnails].find((p) => p && p.has(i));
    if (!from) return false;
    canvas.width = from.width;
    canvas.height = from.height;
    canvas.classList.toggle("coarse", from.width <= 64);
    const wanted = (canvas.sample = i);
    from.draw(canvas.getContext("2d"), i, 0, 0, from.width, from.height, () => canvas.sample === wanted && this.drawPicture(canvas, i));
    return true;
  }
}

// ---- sections that both kinds have ---------------------------------------------------------------------------------------------------

function section(id, title, build) {
  const node = el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title`, text: title }));
  document.getElementById("content").append(node);
  build(node);
  return node;
}

function header(data) {
  const run = data.run || {},
    what = data.kind === "sweep" ? "Sweep" : "Run";
  const when = run.started ? `, ${moment(run.started)}` : "";
  document
    .getElementById("top")
    .append(
      el("p", { class: "kind", text: `${what}${when}` }),
      el("h1", { text: data.title || "Untitled" }),
      el("nav", { "aria-label": "Sections" }),
    );
  const made = data.made || {};
  document
    .getElementById("made")
    .append(el("p", { text: `Made by ${made.by || "an unknown program"}${made.at ? `, ${moment(made.at)}` : ""}. This page needs no network.` }));
}
function contents() {
  const nav = document.querySelector("#top nav");
  for (const h2 of document.querySelectorAll("main h2")) nav.append(el("a", { href: `#${h2.parentNode.id}`, text: h2.textContent }), " ");
}

/** A command with a button that copies it. */
function command(text, label) {
  const code = el("code", { text }),
    said = el("span", { class: "said", role: "status" });
  const copy = async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    said.textContent = done ? "Copied." : "It is selected: copy it by hand.";
    setTimeout(() => (said.textContent = ""), 4000);
  };
  return el(
    "div",
    { class: "command" },
    el("p", { class: "muted" }, `${label} `, said),
    el(
      "div",
      { class: "line" },
      el("pre", {}, code),
      el("button", { type: "button", text: "Copy", "aria-label": `Copy: ${text}`, on: { click: copy } }),
    ),
  );
}

/** TOML with its headings and comments set apart. */
function toml(text) {
  const lines = text.split("\n").map((line) => {
    const kind = /^\s*\[/.test(line) ? "heading" : /^\s*#/.test(line) ? "comment" : "";
    return kind ? el("span", { class: kind, text: `${line}\n` }) : `${line}\n`;
  });
  return el("pre", { class: "toml", tabindex: 0 }, el("code", {}, lines));
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return known.length
    ? el(
        "dl",
        { class: "facts" },
        known.map(([what, value]) =>
          el("div", { class: String(value).length > 24 ? "long" : "" }, el("dt", { text: what }), el("dd", { text: String(value) })),
        ),
      )
    : null;
}

function notesSection(data, drawn) {
  const notes = data.notes || [];
  if (notes.length)
    section("notes", "Notes", (node) =>
      node.append(
        el(
          "ul",
          { class: "notes" },
          notes.map((n) => el("li", { text: n })),
        ),
      ),
    );
  drawn.notes = notes.length;
}

const SCORE_NAMES = {
  acc: ["ACC", "clustering accuracy: share of samples in their class's cluster"],
  nmi: ["NMI", "normalised mutual information"],
  ari: ["ARI", "adjusted Rand index"],
  ami: ["AMI", "adjusted mutual information"],
  knn_acc: ["kNN ACC", "accuracy of a k-nearest-neighbour classifier on the features"],
  linear_probe_acc: ["linear probe ACC", "accuracy of a logistic regression on the features"],
};
const LARGE_SCORES = ["acc", "nmi", "ari", "knn_acc", "linear_probe_acc"];

/** The protocol that a score was made under, the most telling first; what nests goes into details. */
function protocolText(protocol) {
  const told = [],
    take = (key, say) => {
      if (protocol[key] !== undefined && typeof protocol[key] !== "object") told.push(say(protocol[key]));
    };
  take("scored_on", (v) => `scored on ${v}`);
  take("samples", (v) => plural(v, "sample"));
  take("clusters", (v) => plural(v, "cluster"));
  take("classes", (v) => plural(v, "class", "classes"));
  const said = new Set(["scored_on", "samples", "clusters", "classes"]);
  for (const [key, value] of Object.entries(protocol))
    if (!said.has(key) && (typeof value !== "object" || value === null))
      told.push(`${key.replace(/_/g, " ")}: ${typeof value === "number" ? figure(value) : value}`);
  return told.join(", ");
}

function scoresSection(data, drawn) {
  const scores = data.scores || [];
  if (!scores.length) return;
  drawn.scores = 0;
  section("scores", "Scores", (node) => {
    const grid = el("div", { class: "scores" });
    for (const group of scores) {
      const values = Object.entries(group.values || {}),
        plain = values.filter(([, v]) => typeof v !== "object" || v === null);
      drawn.scores += plain.length;
      const protocol = group.protocol || {},
        nested = Object.entries(protocol).filter(([, v]) => typeof v === "object" && v !== null);
      const text = protocolText(protocol);
      const usual = plain.filter(([name]) => LARGE_SCORES.includes(name)).map(([name]) => name),
        large = new Set(usual.length ? usual : plain.slice(0, 3).map(([name]) => name));
      grid.append(
        el(
          "article",
          {},
          el("h3", { text: group.name }),
          el(
            "dl",
            {},
            plain.map(([name, value]) => {
              const [title, meaning] = SCORE_NAMES[name] || [name.replace(/_/g, " "), name];
              return el(
                "div",
                { class: typeof value !== "number" ? "text" : large.has(name) ? "" : "minor" },
                el("dt", {}, el("abbr", { title: meaning, text: title })),
                el("dd", { title: String(value), text: typeof value !== "number" || (Number.isInteger(value) && !large.has(name)) ? String(value) : score(value) }),
              );
            }),
          ),
          text
            ? el("p", { class: "muted protocol", text: `${text[0].toUpperCase()}${text.slice(1)}.` })
            : el("p", { class: "muted protocol", text: "No protocol is known." }),
          nested.length
            ? el(
                "details",
                {},
                el("summary", { text: "What was scored" }),
                facts(
                  nested.map(([key, value]) => [
                    key.replace(/_/g, " "),
                    typeof value === "string"
                      ? value
                      : Array.isArray(value)
                        ? value.join(", ")
                        : Object.entries(value)
                            .map(([k, v]) => `${k.replace(/_/g, " ")}: ${typeof v === "object" ? JSON.stringify(v) : v}`)
                            .join(", "),
                  ]),
                ),
              )
            : null,
        ),
      );
    }
    node.append(grid);
  });
}

// ---- the two kinds of page -----------------------------------------------------------------------------------------------------------

function runPage(report, drawn) {
  const { data } = report,
    run = data.run;
  scoresSection(data, drawn);
  if (run)
    section("run", "What was run", (node) => {
      if (run.command) node.append(command(run.command, "This was run:"));
      if (run.again && run.again !== run.command) node.append(command(run.again, "To run it again:"));
      const versions = run.versions || {};
      const list = facts([
        ["directory", run.directory],
        ["called in", run.working_directory],
        ["seed", run.seed],
        ["threads", run.threads],
        ["device", run.device],
        ["started", run.started && moment(run.started)],
        ["finished", run.finished && moment(run.finished)],
        ["took", duration(run.seconds)],
        ...Object.entries(versions),
      ]);
      if (list) node.append(list);
      if (run.pipeline) node.append(el("details", { class: "source" }, el("summary", { text: "The pipeline's file" }), toml(run.pipeline)));
    });
  notesSection(data, drawn);
  if ((data.curves || []).length)
    section("curves", "Curves", (node) => {
      const grid = el("div", { class: "multiples" });
      node.append(grid);
      drawn.curves = data.curves.map((c) => chartFigure(c, grid)).filter((n) => n > 0).length;
    });
  if (report.clustering)
    section("clusters", report.clusterings.length > 1 ? "Clusterings" : "Clusters", (node) => {
      const parts = el("div");
      const paper = el("p", { class: "paper" });
      const draw = () => {
        report.beforePrint.length = 0;
        parts.replaceChildren();
        dropCharts();
        clusteringParts(report, parts, drawn);
        drawn.clustering = report.clustering.name;
        paper.textContent = `Clustering: ${report.clustering.name}.`;
      };
      if (report.clusterings.length > 1) node.append(el("div", { class: "controls" }, report.chooser()), paper);
      node.append(parts);
      draw();
      report.onClustering(draw);
    });
  if (data.embedding && data.embedding.points) section("embedding", "Embedding", (node) => embeddingSection(report, node, drawn));
  if ((data.stages || []).length) {
    section("pipeline", "Pipeline", (node) => pipelineSection(data, node, drawn));
    section("times", "Times", (node) => timesSection(data, node, drawn));
  }
}

function sweepPage(report, drawn) {
  const { data } = report,
    { sweep } = data;
  if (data.table && (data.table.rows || []).length) section("table", "Scores", (node) => tableSection(data, node, drawn));
  notesSection(data, drawn);
  if ((data.charts || []).length)
    section("charts", "Charts", (node) => {
      const grid = el("div", { class: "multiples" });
      node.append(grid);
      drawn.charts = data.charts.map((c) => chartFigure(c, grid)).filter((n) => n > 0).length;
    });
  if ((data.cells || []).length) section("cells", "Runs", (node) => cellsSection(data, node, drawn));
  if (sweep)
    section("sweep", "What was run", (node) => {
      if (sweep.again) node.append(command(sweep.again, "To run it again, or what is missing of it:"));
      const list = facts([
        ["file", sweep.file],
        ["folder", sweep.folder],
        ["runs done", sweep.cells !== undefined ? `${sweep.done} of ${sweep.cells}` : undefined],
      ]);
      if (list) node.append(list);
      if (sweep.text) node.append(el("details", { class: "source" }, el("summary", { text: "The sweep's file" }), toml(sweep.text)));
    });
}

// ---- themes and paper ----------------------------------------------------------------------------------------------------------------

function redraw(report) {
  for (const paint of repaints) paint();
  drawCharts();
  if (report.embedding) report.embedding.render();
}

/** Before printing the page takes a sheet's width and light colours, and is drawn for them at once; after it, as it was. */
function printing(report, on) {
  if (theme.printing === on) return;
  theme.printing = on;
  document.documentElement.classList.toggle("printing", on);
  if (on) for (const prepare of report.beforePrint) prepare();
  if (on && report.embedding) report.embedding.home();
  redraw(report);
}

function begin() {
  const drawn = {},
    report = {};
  window.cdcReport.drawn = drawn;
  const data = JSON.parse(document.getElementById("data").textContent);
  Object.assign(report, { made: new Report(data) });
  const made = report.made;
  document.getElementById("content").replaceChildren();
  document.documentElement.dataset.kind = data.kind;
  header(data);
  if (data.kind === "sweep") sweepPage(made, drawn);
  else runPage(made, drawn);
  if (!document.querySelector("main section"))
    document
      .getElementById("content")
      .append(el("p", { class: "muted", text: "There is nothing to show yet: no scores, curves or clusterings are in this report." }));
  contents();
  theme.dark.addEventListener("change", () => redraw(made));
  window.addEventListener("beforeprint", () => printing(made, true));
  window.addEventListener("afterprint", () => printing(made, false));
  window.cdcReport.report = made;
  return made.pictures ? made.pictures.load() : undefined;
}

window.cdcReport = {
  drawn: null,
  ready: new Promise((resolve, reject) => {
    const start = () => {
      try {
        Promise.resolve(begin()).then(resolve, reject);
      } catch (error) {
        const main = document.getElementById("content");
        main.prepend(
          Object.assign(document.createElement("p"), { className: "broken", textContent: `This report cannot be shown: ${error.message}` }),
        );
        reject(error);
      }
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  }),
};
