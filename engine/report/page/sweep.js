"use strict";
// A sweep: its table, its charts, its cells.

/** A table whose columns can be sorted by their headings. `columns`: { title, number, sort(row), cell(row) -> text, node or nodes }. */
function sortableTable(columns, rows, { label, rowClass }) {
  const body = el("tbody");
  let by = -1,
    down = false;
  const heads = columns.map((column, at) => {
    const th = el("th", { scope: "col", class: column.number ? "number" : "" });
    const press = () => {
      down = by === at ? !down : Boolean(column.number); // the largest number first, the first name first
      by = at;
      heads.forEach((h, k) => (k === at ? h.setAttribute("aria-sort", down ? "descending" : "ascending") : h.removeAttribute("aria-sort")));
      draw();
    };
    th.append(
      el(
        "button",
        { type: "button", on: { click: press } },
        el("span", { text: column.title }),
        el("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    );
    return th;
  });
  const built = rows.map((row) => {
    const tr = el(
      "tr",
      { class: rowClass ? rowClass(row) : "" },
      columns.map((column, at) =>
        el(at === 0 ? "th" : "td", { class: column.number ? "number" : "", ...(at === 0 ? { scope: "row" } : {}) }, column.cell(row)),
      ),
    );
    return { row, tr };
  });
  const draw = () => {
    const order = [...built];
    if (by >= 0) {
      const key = columns[by].sort,
        missing = (v) => v === null || v === undefined || Number.isNaN(v);
      order.sort((a, b) => {
        const x = key(a.row),
          y = key(b.row);
        if (missing(x) || missing(y)) return missing(x) - missing(y); // what is missing stands last, either way
        const c = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
        return down ? -c : c;
      });
    }
    body.replaceChildren(...order.map((o) => o.tr));
  };
  draw();
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    el("table", { class: "sortable" }, el("thead", {}, el("tr", {}, heads)), body),
  );
}

/** A column of the table: the means of its score number `at`. */
function scoreColumn(title, at) {
  return {
    title,
    number: true,
    sort: (r) => (r.values[at] ? r.values[at].mean : null),
    cell: (r) => {
      const v = r.values[at];
      if (!v || typeof v.mean !== "number") return el("span", { class: "muted", text: "none" });
      const [mean, deviation] = spread(v.mean, v.runs > 1 ? v.deviation : null);
      return el(
        "span",
        {
          class: v.best ? "best" : "",
          title: `mean ${v.mean}${v.runs > 1 ? `, standard deviation ${v.deviation}` : ""}, ${plural(v.runs, "run")}`,
        },
        v.best ? el("span", { class: "star", "aria-label": "best: ", role: "img", text: "★ " }) : "",
        mean,
        deviation ? el("span", { class: "deviation", text: ` ± ${deviation}` }) : "",
      );
    },
  };
}

const bounds = (v) => (v && typeof v.low === "number" ? `[${score(v.low)}, ${score(v.high)}]` : "");

function intervalColumn(at) {
  return { title: "95 % interval", number: true, sort: (r) => (r.values[at] ? r.values[at].low : null), cell: (r) => bounds(r.values[at]) };
}

function differenceColumn(at) {
  return {
    title: "difference to the highest",
    number: true,
    sort: (r) => (r.values[at] && r.values[at].difference ? r.values[at].difference.mean : null),
    cell: (r) => {
      const v = r.values[at],
        d = v && v.difference;
      if (!d) return v && v.highest ? "highest" : "";
      const p = typeof d.p !== "number" ? "" : d.p < 0.0005 ? ", p < 0.001" : `, p = ${d.p.toFixed(3)}`;
      return `${d.mean >= 0 ? "+" : "−"}${score(Math.abs(d.mean))} ${bounds(d)}${p}`;
    },
  };
}

function tableSection(data, parent, drawn) {
  const table = { labels: [], scores: [], ...data.table };
  const repeated = table.rows.some((r) => r.values.some((v) => v && v.runs > 1));
  const columns = [
    ...table.labels.map((title, at) => ({
      title,
      sort: (r) => (r.labels[at] !== "" && !Number.isNaN(Number(r.labels[at])) ? Number(r.labels[at]) : r.labels[at]),
      cell: (r) => r.labels[at],
    })),
    ...table.scores.flatMap((title, at) => [scoreColumn(title, at), table.interval && intervalColumn(at), table.difference && differenceColumn(at)]),
    { title: "runs done", number: true, sort: (r) => r.done / Math.max(1, r.cells), cell: (r) => `${r.done} of ${r.cells}` },
  ].filter(Boolean);
  parent.append(
    el("p", {
      class: "muted",
      text: say(
        repeated ? "Mean ± sample standard deviation over the runs of a row." : "One run a row.",
        table.mark, // what ★ means
        table.interval && "Intervals are of the mean, 95 %.",
        table.difference && "Differences are of runs of the same seed, to the row of the highest mean; p after Holm.",
        "A heading sorts by its column.",
      ),
    }),
    sortableTable(columns, table.rows, { label: "Table of scores; scrolls sideways" }),
  );
  drawn.table = {
    rows: table.rows.length,
    columns: columns.length,
    best: table.rows.reduce((sum, r) => sum + r.values.filter((v) => v && v.best).length, 0),
  };
}

const STATES = { done: "✓ done", failed: "✗ failed", stopped: "■ stopped early", running: "… running", missing: "– not run" };

function cellsSection(data, parent, drawn) {
  const cells = data.cells,
    scores = data.table ? (data.table.scores || []).filter((s) => cells.some((c) => c.scores && s in c.scores)) : [];
  const named = scores.length ? scores : [...new Set(cells.flatMap((c) => Object.keys(c.scores || {})))].slice(0, 8);
  const failures = cells.filter((c) => c.state === "failed"),
    states = new Map();
  for (const c of cells) states.set(c.state, (states.get(c.state) || 0) + 1);
  const has = (key) => cells.some((c) => c[key] !== undefined && c[key] !== null && c[key] !== "");
  parent.append(
    el("p", { class: "muted", text: `${plural(cells.length, "run")}: ${[...states].map(([s, n]) => `${counted(n)} ${s}`).join(", ")}.` }),
  );
  if (failures.length)
    parent.append(
      el(
        "ul",
        { class: "failures" },
        failures
          .slice(0, 20)
          .map((c) => el("li", {}, el("strong", { text: `✗ ${c.id}` }), " failed: ", el("span", { text: c.message || "no message" }))),
        failures.length > 20 ? el("li", { text: `And ${failures.length - 20} more; the table has them all.` }) : null,
      ),
    );
  const columns = [
    { title: "run", sort: (c) => c.id, cell: (c) => c.id },
    has("seed") && { title: "seed", number: true, sort: (c) => c.seed, cell: (c) => (c.seed === undefined ? "" : String(c.seed)) },
    { title: "state", sort: (c) => c.state, cell: (c) => STATES[c.state] || c.state },
    has("seconds") && {
      title: "time",
      number: true,
      sort: (c) => (typeof c.seconds === "number" ? c.seconds : null),
      cell: (c) => duration(c.seconds),
    },
    ...named.map((s) => ({
      title: s,
      number: true,
      sort: (c) => (c.scores && typeof c.scores[s] === "number" ? c.scores[s] : null),
      cell: (c) => (c.scores && s in c.scores ? score(c.scores[s]) : ""),
    })),
    has("message") && { title: "message", sort: (c) => c.message || null, cell: (c) => el("span", { class: "message", text: c.message || "" }) },
  ].filter(Boolean);
  const table = sortableTable(columns, cells, {
    label: "Runs of the sweep; scrolls sideways",
    rowClass: (c) => (c.state === "done" ? "" : "undone"),
  });
  parent.append(cells.length > 30 ? el("details", {}, el("summary", { text: `All ${counted(cells.length)} runs` }), table) : table);
  drawn.cells = { rows: cells.length, failed: failures.length };
}
