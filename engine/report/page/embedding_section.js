"use strict";
// What stands around the embedding: colours by cluster, label or agreement, a legend that hides and shows, buttons, the card of a sample.

function embeddingSection(report, parent, drawn) {
  const { data } = report,
    points = unpack(data.embedding.points),
    pictures = report.thumbnails;
  const canvas = el("canvas", { tabindex: 0, role: "img", class: "embedding", "aria-describedby": "embedding-keys" });
  const card = sampleCard(report),
    spoken = el("p", { class: "hidden", role: "status" });
  const map = new Embedding(canvas, points, pictures, (i, x, y, how) => {
    card.show(i, x, y, map.size);
    spoken.textContent = how === "key" && i >= 0 ? report.sentence(i) : "";
  });
  const button = (text, label, click) => el("button", { type: "button", "aria-label": label, title: label, text, on: { click } });
  const tools = el(
    "div",
    { class: "tools" },
    button("+", "Zoom in", () => map.zoom(1.6)),
    button("−", "Zoom out", () => map.zoom(1 / 1.6)),
    button("⤢", "As at first", () => map.home()),
  );
  const legend = el("div", { class: "legend", role: "group", "aria-label": "Groups of points: press to hide or show" });
  const clustered = report.clusterings.length > 0 && report.clusterings.every((c) => c.of);
  const modes = [
    clustered && ["cluster", "Cluster"],
    report.labels && ["label", "Label"],
    report.labels && clustered && report.clusterings.some((c) => c.matching) && ["agreement", "Agreement"],
  ].filter(Boolean);
  let mode = modes.length ? modes[0][0] : "";

  const paper = el("p", { class: "paper muted" });
  const paint = () => {
    const by = grouping(report, mode, map.count);
    const hidden = new Set(map.hidden),
      kept = map.mode === mode;
    map.mode = mode;
    map.colour(by.groups, by.colours);
    if (kept) for (const g of hidden) map.hidden.add(g);
    const told = by.order.filter((g) => by.counts[g] > 0).map((g) => `${by.names[g]} ${counted(by.counts[g])}`);
    canvas.setAttribute(
      "aria-label",
      say(
        `Embedding of ${plural(map.count, "sample")}${mode ? `, coloured by ${mode}` : ""}.`,
        data.embedding.method && `${data.embedding.method}.`,
        told.length > 1 && `${plural(told.length, "group")}: ${told.slice(0, 12).join(", ")}${told.length > 12 ? " and more" : ""}.`,
      ),
    );
    buildLegend(legend, map, by);
    paper.textContent = `Coloured by ${mode}.`;
    drawn.embedding.mode = mode;
    drawn.embedding.groups = by.names.length;
  };
  drawn.embedding = { points: map.count };
  map.onRender = () =>
    Object.assign(drawn.embedding, {
      shown: map.shown,
      images: map.images,
      renders: map.renders,
      milliseconds: map.milliseconds,
      view: [map.x, map.y, map.scale],
      hidden: map.hidden.size,
    });

  const choose =
    modes.length > 1
      ? el(
          "fieldset",
          { class: "choice" },
          el("legend", { text: "Colour by" }),
          modes.map(([value, text]) =>
            el(
              "label",
              {},
              el("input", { type: "radio", name: "colour-by", value, checked: value === mode, on: { change: () => ((mode = value), paint()) } }),
              text,
            ),
          ),
        )
      : null;
  const all = el(
    "p",
    { class: "legend-all" },
    button("Show all", "Show all groups", () => legend.showAll(true)),
    button("Hide all", "Hide all groups", () => legend.showAll(false)),
  );
  parent.append(
    data.embedding.method
      ? el("p", { class: "muted", text: `${data.embedding.method}. ${shownOf(data)}` })
      : shownOf(data)
        ? el("p", { class: "muted", text: shownOf(data) })
        : "",
    paper,
    el("div", { class: "controls" }, report.chooser(), choose),
    el(
      "div",
      { class: "map" },
      el("div", { class: "stage" }, canvas, tools, card.node),
      el("div", { class: "side" }, modes.length ? [all, legend] : null),
    ),
    el("p", {
      class: "muted controls",
      id: "embedding-keys",
      text: say(
        `Drag to move; zoom with the wheel, two fingers or the buttons${pictures ? ", far enough to see the images in their places" : ""}.`,
        "With the keyboard: arrows, +, − and 0.",
      ),
    }),
    spoken,
  );
  if (!modes.length) map.colour(new Uint8Array(map.count), [categoryColours(1, theme.name)[0]]);
  else paint();
  map.render();
  new ResizeObserver(() => map.draw()).observe(canvas);
  report.onClustering(paint);
  repaints.add(() => (modes.length ? paint() : map.colour(map.groups, categoryColours(1, theme.name))));
  report.embedding = map;
}

const shownOf = ({ samples }) =>
  samples && samples.shown < samples.total ? `${counted(samples.shown)} of ${counted(samples.total)} samples are shown.` : "";

/** The group of each sample: names, colours, counts; samples without a label are a grey group of their own. */
function grouping(report, mode, count) {
  const { clustering, labels, classes } = report;
  let names = [],
    groups = new Uint16Array(count),
    colours;
  if (mode === "agreement") {
    names = ["label is the cluster's class", "label is another class", "no label or no class"];
    for (let i = 0; i < count; ++i) {
      const wanted = clustering.matching ? clustering.matching[clustering.of[i]] : -1;
      groups[i] = labels[i] === NO_LABEL || wanted < 0 ? 2 : labels[i] === wanted ? 0 : 1;
    }
    colours = theme.name === "dark" ? ["#3a9bdc", "#f0743e", "#75757c"] : ["#0072b2", "#d55e00", "#a9a9a9"];
  } else if (mode === "label") {
    names = [...classes];
    colours = categoryColours(names.length, theme.name);
    let none = false;
    for (let i = 0; i < count; ++i) {
      none = none || labels[i] >= classes.length;
      groups[i] = Math.min(labels[i], classes.length);
    }
    if (none) {
      names.push("no label");
      colours = [...colours, theme.name === "dark" ? "#5c5c63" : "#c4c4c4"];
    }
  } else {
    names = Array.from({ length: clustering.clusters }, (_, k) => report.clusterName(k));
    colours = report.clusterColours();
    groups = clustering.of;
  }
  const counts = new Array(names.length).fill(0);
  for (let i = 0; i < count; ++i) counts[groups[i]] += 1;
  return { names, groups, colours, counts, order: mode === "cluster" ? clustering.order : names.map((_, g) => g) };
}

function buildLegend(legend, map, by) {
  const items = by.order.map((g) => {
    const name = by.names[g];
    if (by.counts[g] === 0) return null;
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = by.colours[g];
    const item = el(
      "button",
      { type: "button", "aria-pressed": String(!map.hidden.has(g)), title: name },
      swatch,
      el("span", { class: "name", text: name }),
      el("span", { class: "muted", text: counted(by.counts[g]) }),
    );
    item.show = (shown) => {
      if (shown) map.hidden.delete(g);
      else map.hidden.add(g);
      item.setAttribute("aria-pressed", String(shown));
    };
    const forward = (on) => () => {
      map.only = on && !map.hidden.has(g) ? g : -1;
      map.draw();
    };
    item.addEventListener("click", () => {
      item.show(map.hidden.has(g));
      map.only = -1;
      map.draw();
    });
    for (const [event, on] of [
      ["pointerenter", true],
      ["pointerleave", false],
      ["blur", false],
    ])
      item.addEventListener(event, (e) => e.pointerType !== "touch" && forward(on)());
    item.addEventListener("focus", () => item.matches(":focus-visible") && forward(true)());
    return item;
  });
  legend.classList.toggle("many", items.filter(Boolean).length > FEW);
  legend.showAll = (shown) => {
    for (const item of items) if (item) item.show(shown);
    map.draw();
  };
  legend.replaceChildren(...items.filter(Boolean));
}

/** The card beside the pointer: the sample's image, cluster, label, name and number. */
function sampleCard(report) {
  const picture = el("canvas", { width: 1, height: 1, "aria-hidden": "true" }),
    text = el("div");
  const node = el("div", { class: "card", hidden: true }, picture, text);
  let told = -1;
  return {
    node,
    show(i, x, y, size) {
      node.hidden = i < 0;
      if (i < 0) {
        told = -1;
        return;
      }
      if (i !== told) {
        told = i;
        text.replaceChildren(...report.lines(i).map(([what, is]) => el("div", {}, el("span", { class: "muted", text: `${what} ` }), is)));
        picture.hidden = !report.drawPicture(picture, i);
        node.dataset.sample = i;
      }
      const { offsetWidth: width, offsetHeight: height } = node,
        gap = 14;
      node.style.left = `${Math.max(4, x + gap + width > size.width ? x - gap - width : x + gap)}px`;
      node.style.top = `${Math.max(4, Math.min(size.height - height - 4, y - height / 2))}px`;
    },
  };
}
