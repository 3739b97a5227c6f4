"use strict";
// The pipeline's graph, drawn: stages from left to right by layers, each with its ports and, where it has nodes and they are asked for, those inside.
// And how long each stage took.

const ROW = 18,
  HEAD = 44,
  PAD = 12;

/**
 * Places boxes `{ id, width, height, layer?, ports: { in: {port: y}, out: {output: y} } }` in layers along links `{ from, output, to, port }`:
 * each box one layer after the last of what it takes (longest path); boxes of a layer ordered by the mean place of their neighbours (Sugiyama, Tagawa
 * and Toda, 1981), links that pass over layers by way of dummies. Sets x and y; gives { width, height, paths: [[x, y]...] of each link }.
 */
function layered(boxes, links, gapX = 56, gapY = 20) {
  const by = new Map(boxes.map((b) => [b.id, b]));
  links = links.filter((l) => by.has(l.from) && by.has(l.to) && l.from !== l.to);
  const depth = new Map(),
    open = new Set();
  const layerOf = (id) => {
    if (depth.has(id)) return depth.get(id);
    if (open.has(id)) return 0; // a ring, which a checked plan does not have
    open.add(id);
    const d = links.filter((l) => l.to === id).reduce((most, l) => Math.max(most, layerOf(l.from) + 1), 0);
    open.delete(id);
    depth.set(id, d);
    return d;
  };
  const layers = [];
  const put = (item, d) => ((layers[d] = layers[d] || []).push(item), (item.layer = d));
  for (const b of boxes) put(b, layerOf(b.id));
  // Sources stand right before what they feed.
  const edges = [],
    chains = [];
  for (const link of links) {
    const from = by.get(link.from),
      to = by.get(link.to),
      chain = [from];
    for (let d = from.layer + 1; d < to.layer; ++d) {
      const dummy = { dummy: true, width: 0, height: 6 };
      put(dummy, d);
      chain.push(dummy);
    }
    chain.push(to);
    chain.forEach(
      (item, i) =>
        i > 0 &&
        edges.push({
          a: chain[i - 1],
          b: item,
          ya: i === 1 ? from.ports.out[link.output] : 3,
          yb: i === chain.length - 1 ? to.ports.in[link.port] : 3,
        }),
    );
    chains.push({ link, chain });
  }
  const before = new Map(),
    after = new Map();
  for (const e of edges) {
    before.set(e.b, [...(before.get(e.b) || []), e]);
    after.set(e.a, [...(after.get(e.a) || []), e]);
  }
  const number = () => layers.forEach((layer) => layer.forEach((item, i) => (item.order = (i + 0.5) / layer.length)));
  number();
  for (let sweep = 0; sweep < 8; ++sweep) {
    const forward = sweep % 2 === 0;
    for (const layer of forward ? layers : [...layers].reverse()) {
      for (const item of layer) {
        const near = (forward ? before : after).get(item);
        if (near) item.order = near.reduce((sum, e) => sum + (forward ? e.a.order + e.ya / 1e5 : e.b.order + e.yb / 1e5), 0) / near.length;
      }
      layer.sort((a, b) => a.order - b.order);
      layer.forEach((item, i) => (item.order = (i + 0.5) / layer.length));
    }
  }
  let x = 0;
  for (const layer of layers) {
    const width = Math.max(...layer.map((i) => i.width));
    for (const item of layer) item.x = x;
    x += width + gapX;
    let y = 0;
    for (const item of layer) {
      item.y = y;
      y += item.height + gapY;
    }
  }
  for (let sweep = 0; sweep < 12; ++sweep) {
    const forward = sweep % 2 === 0;
    for (const layer of forward ? layers : [...layers].reverse()) {
      const wanted = layer.map((item) => {
        const near = [...((sweep < 10 ? (forward ? before : after) : before).get(item) || [])];
        if (near.length === 0) return item.y;
        return near.reduce((sum, e) => sum + (e.b === item ? e.a.y + e.ya - e.yb : e.b.y + e.yb - e.ya), 0) / near.length;
      });
      const down = [],
        up = [];
      layer.forEach((item, i) => (down[i] = i === 0 ? wanted[0] : Math.max(wanted[i], down[i - 1] + layer[i - 1].height + gapY)));
      for (let i = layer.length - 1; i >= 0; --i)
        up[i] = i === layer.length - 1 ? wanted[i] : Math.min(wanted[i], up[i + 1] - gapY - layer[i].height);
      layer.forEach((item, i) => (item.y = (down[i] + up[i]) / 2)); // both keep their distances, so their mean does
    }
  }
  const right = (layer) => Math.max(...layers[layer].map((item) => item.width));
  const all = layers.flat(),
    top = all.length ? Math.min(...all.map((i) => i.y)) : 0;
  for (const item of all) item.y -= top;
  return {
    width: Math.max(0, x - gapX),
    height: all.length ? Math.max(...all.map((i) => i.y + i.height)) : 0,
    paths: chains.map(({ link, chain }) => {
      const from = chain[0],
        to = chain[chain.length - 1];
      const y = from.y + from.ports.out[link.output];
      const points = [[from.x + from.width, y]];
      // Past wider boxes of its layer a link goes straight: beside its own box nothing stands.
      if (from.width < right(from.layer)) points.push([from.x + right(from.layer), y]);
      for (const dummy of chain.slice(1, -1)) {
        points.push([dummy.x, dummy.y + 3], [dummy.x + right(dummy.layer), dummy.y + 3]);
      }
      points.push([to.x, to.y + to.ports.in[link.port]]);
      return { link, points };
    }),
  };
}

const ruler = document.createElement("canvas").getContext("2d");
function textWidth(text, size, weight = "") {
  ruler.font = `${weight} ${size}px ${fonts()}`;
  return ruler.measureText(text).width;
}

/** A box of a stage or node: its ports one below the other, inputs left, outputs right; `inner` is a graph laid out inside it. */
function graphBox(thing, outputs, inner, toggle) {
  const inputs = [...new Set((thing.inputs || []).map((i) => i.port))],
    has = outputs.filter((o) => o !== "");
  const rows = Math.max(inputs.length, has.length);
  const sub = [thing.plugin, thing.seconds === undefined ? "" : thing.cached ? "from the cache" : duration(thing.seconds)].filter(Boolean);
  const portWidth = Array.from({ length: rows }, (_, i) => textWidth(inputs[i] || "", 11) + textWidth(has[i] || "", 11) + 28);
  const width = Math.ceil(
    Math.max(
      96,
      textWidth(thing.name, 13, "600") + 2 * PAD,
      ...sub.map((t) => textWidth(t, 11) + 2 * PAD),
      toggle ? textWidth("▸ show 100 nodes", 11) + 2 * PAD : 0,
      ...portWidth,
      inner ? inner.width + 2 * PAD : 0,
    ),
  );
  const head = HEAD + (sub.length > 1 ? 14 : 0),
    ports = { in: {}, out: {} };
  inputs.forEach((p, i) => (ports.in[p] = head + i * ROW + 6));
  has.forEach((p, i) => (ports.out[p] = head + i * ROW + 6));
  ports.out[""] = 18;
  const foot = head + rows * ROW + (rows ? 4 : 0) + (toggle ? 24 : 0);
  return {
    id: thing.name,
    thing,
    width,
    height: foot + (inner ? inner.height + 2 * PAD : 0),
    ports,
    inputs,
    outputs: has,
    sub,
    inner,
    foot,
    toggle,
    rows,
    head,
  };
}

/** Boxes and links of a list of things that take from each other. */
function graphOf(things, box) {
  const names = new Set(things.map((t) => t.name)),
    outputs = new Map(things.map((t) => [t.name, []])),
    links = [];
  for (const thing of things)
    for (const input of thing.inputs || []) {
      let from = input.from,
        output = input.output || "";
      if (!names.has(from) && from && from.includes(".")) [from, output] = [from.slice(0, from.indexOf(".")), from.slice(from.indexOf(".") + 1)];
      if (!names.has(from)) continue;
      if (!outputs.get(from).includes(output)) outputs.get(from).push(output);
      links.push({ from, output, to: thing.name, port: input.port });
    }
  const boxes = things.map((t) => box(t, outputs.get(t.name)));
  return { boxes, ...layered(boxes, links) };
}

function drawGraph(graph, dx, dy, counts, onToggle, inner = false) {
  const group = svg("g", { transform: `translate(${dx} ${dy})` });
  for (const { link, points } of graph.paths) {
    let d = `M${points[0].join(" ")}`;
    for (let i = 1; i < points.length; ++i) {
      const [x0, y0] = points[i - 1],
        [x1, y1] = points[i],
        bend = Math.max(14, (x1 - x0) / 2);
      d += y0 === y1 ? `L${x1} ${y1}` : `C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
    }
    counts.edges += 1;
    group.append(
      svg(
        "path",
        { class: "edge", d },
        svg("title", { text: `${link.from}${link.output ? `.${link.output}` : ""} to ${link.to}, port ${link.port}` }),
      ),
    );
  }
  for (const b of graph.boxes) {
    counts[inner ? "nodes" : "stages"] += 1;
    const node = svg("g", { class: inner ? "node" : "stage", transform: `translate(${b.x} ${b.y})` });
    node.append(svg("rect", { class: "box", width: b.width, height: b.height, rx: inner ? 4 : 6 }));
    node.append(svg("text", { class: "name", x: PAD, y: 21, text: b.thing.name }));
    b.sub.forEach((line, i) => node.append(svg("text", { class: "sub", x: PAD, y: 36 + 14 * i, text: line })));
    const dot = (cx, cy) => svg("circle", { class: "port", cx, cy, r: 3 });
    b.inputs.forEach((p) => node.append(dot(0, b.ports.in[p]), svg("text", { class: "sub", x: 9, y: b.ports.in[p] + 4, text: p })));
    b.outputs.forEach((p) =>
      node.append(dot(b.width, b.ports.out[p]), svg("text", { class: "sub", x: b.width - 9, y: b.ports.out[p] + 4, "text-anchor": "end", text: p })),
    );
    if (graph.paths.some((p) => p.link.from === b.id && p.link.output === "")) node.append(dot(b.width, b.ports.out[""]));
    if (b.toggle) {
      const text = `${b.inner ? "▾ hide" : "▸ show"} ${plural(b.thing.nodes.length, "node")}`;
      const act = (event) => {
        if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onToggle(b.thing.name);
      };
      node.append(
        svg(
          "g",
          {
            class: "toggle",
            role: "button",
            tabindex: 0,
            "aria-expanded": String(Boolean(b.inner)),
            "aria-label": `Nodes of ${b.thing.name}`,
            "data-stage": b.thing.name,
            on: { click: act, keydown: act },
          },
          svg("rect", { x: 6, y: b.foot - 24, width: textWidth(text, 11) + 14, height: 20, rx: 4 }),
          svg("text", { class: "sub", x: PAD, y: b.foot - 10, text }),
        ),
      );
    }
    if (b.inner) node.append(drawGraph(b.inner, PAD, b.foot + PAD / 2, counts, onToggle, true));
    group.append(node);
  }
  return group;
}

function pipelineSection(data, parent, drawn) {
  const stages = data.stages;
  const open = new Set(),
    withNodes = stages.filter((s) => (s.nodes || []).length > 0);
  const view = el("div", { class: "scroll graph", tabindex: 0, role: "region", "aria-label": "The pipeline's graph; scrolls sideways" });
  const build = () =>
    graphOf(stages, (stage, outputs) => {
      const nodes = (stage.nodes || []).length > 0;
      return graphBox(stage, outputs, nodes && open.has(stage.name) ? graphOf(stage.nodes, (n, o) => graphBox(n, o)) : null, nodes);
    });
  const draw = (focus) => {
    const graph = build(),
      counts = { stages: 0, nodes: 0, edges: 0 };
    const takes = (s) => (s.inputs || []).map((i) => `${i.port} from ${i.from}`).join(", ") || "nothing";
    const label = say("Graph of the pipeline.", ...stages.map((s) => `${s.name} takes ${takes(s)}.`));
    const picture = svg("svg", {
      viewBox: `-6 -6 ${graph.width + 12} ${graph.height + 12}`,
      width: graph.width + 12,
      height: graph.height + 12,
      role: "group",
      "aria-label": label,
    });
    picture.append(
      drawGraph(graph, 0, 0, counts, (name) => {
        if (!open.delete(name)) open.add(name);
        draw(name);
      }),
    );
    view.replaceChildren(picture);
    drawn.graph = counts;
    if (focus) for (const toggle of view.querySelectorAll(".toggle")) if (toggle.dataset.stage === focus) toggle.focus();
  };
  parent.append(view);
  // All nodes are shown where that fits.
  if (withNodes.length > 0) {
    for (const s of withNodes) open.add(s.name);
    if (build().width + 12 > view.clientWidth) open.clear();
    parent.insertBefore(
      el(
        "p",
        { class: "controls" },
        el("button", { type: "button", text: "Show all nodes", on: { click: () => (withNodes.forEach((s) => open.add(s.name)), draw()) } }),
        el("button", { type: "button", text: "Hide nodes", on: { click: () => (open.clear(), draw()) } }),
      ),
      view,
    );
  }
  draw();
}

/** How long each stage took, as a table with bars; and the share of it in which training waited for data. */
function timesSection(data, parent, drawn) {
  const stages = data.stages.filter((s) => typeof s.seconds === "number");
  const most = Math.max(1e-9, ...stages.map((s) => (s.cached ? 0 : s.seconds))),
    total = stages.reduce((sum, s) => sum + (s.cached ? 0 : s.seconds), 0);
  const waiting = stages.some((s) => typeof s.waiting === "number");
  const rows = stages.map((s) => {
    const share = typeof s.waiting === "number" ? Math.min(1, Math.max(0, s.waiting)) : 0;
    const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "work" }), share > 0 ? el("span", { class: "wait" }) : null);
    bar.style.width = `${s.cached ? 0 : Math.max(0.4, (100 * s.seconds) / most)}%`;
    bar.firstChild.style.flexGrow = 1 - share;
    if (share > 0) bar.lastChild.style.flexGrow = share;
    return el(
      "tr",
      {},
      el("th", { scope: "row", text: s.name }),
      el("td", { class: "number", text: s.cached ? "from the cache" : duration(s.seconds) }),
      waiting ? el("td", { class: "number", text: typeof s.waiting === "number" ? percent(s.waiting) : "" }) : null,
      el("td", { class: "bars" }, bar),
    );
  });
  parent.append(
    el("p", {
      class: "muted",
      text: say(
        `${duration(total)} in stages that were computed.`,
        waiting && "Waiting is the share of its time in which a stage waited for data, the hatched part of its bar.",
      ),
    }),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "times" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col", text: "Stage" }),
            el("th", { scope: "col", class: "number", text: "Time" }),
            waiting ? el("th", { scope: "col", class: "number", text: "Waiting" }) : null,
            el("td", { class: "bars" }),
          ),
        ),
        el("tbody", {}, rows),
      ),
    ),
  );
  drawn.times = rows.length;
}
