"use strict";
// The embedding: every sample a point on a canvas, to pan and zoom, with the image under the pointer. Points are stamped into the pixels of one
// ImageData: ECharts' scatter takes a third of a second to redraw 70,000 of them, which nobody can drag.

const GRID = 128; // cells a side of the index that finds the nearest point
const THUMBNAILS_AT = 400; // fewer points than this in view: their images are shown in their places

class Embedding {
  /**
   * `points`: x0 y0 x1 y1 ...; `pictures`: the thumbnails, or null; `onPoint(i, x, y, how)`: the sample pointed at and its place, -1 for none.
   */
  constructor(canvas, points, pictures, onPoint) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.points = points;
    this.count = points.length >> 1;
    this.pictures = pictures;
    this.onPoint = onPoint;
    this.groups = null; // of each sample
    this.hidden = new Set();
    this.only = -1; // a group to bring forward
    this.selected = -1;
    this.renders = 0;
    this.index();
    this.listen();
  }

  /** The bounds, the grid, and an order of drawing in which no group lies on top for having come last. */
  index() {
    const { points, count } = this;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < count; ++i) {
      const x = points[2 * i],
        y = points[2 * i + 1];
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
    if (count === 0) [x0, y0, x1, y1] = [0, 0, 1, 1];
    const side = Math.max(x1 - x0, y1 - y0, 1e-9);
    this.bounds = { x0, y0, x1, y1, cell: (side * 1.0001) / GRID };
    this.core = this.coreOf();
    const starts = new Uint32Array(GRID * GRID + 1),
      cellOf = new Uint16Array(count);
    for (let i = 0; i < count; ++i) {
      cellOf[i] = Math.floor((points[2 * i + 1] - y0) / this.bounds.cell) * GRID + Math.floor((points[2 * i] - x0) / this.bounds.cell);
      ++starts[cellOf[i] + 1];
    }
    for (let c = 0; c < GRID * GRID; ++c) starts[c + 1] += starts[c];
    const next = starts.slice(),
      members = new Uint32Array(count);
    for (let i = 0; i < count; ++i) members[next[cellOf[i]]++] = i;
    this.starts = starts;
    this.members = members;
    this.order = new Uint32Array(count);
    let state = 1;
    for (let i = 0; i < count; ++i) this.order[i] = i;
    for (let i = count - 1; i > 0; --i) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = state % (i + 1),
        kept = this.order[i];
      this.order[i] = this.order[j];
      this.order[j] = kept;
    }
  }

  /** What is shown first: everything, or, where a few stray points lie so far off that the rest would be small, the rest. */
  coreOf() {
    const { points, count, bounds } = this,
      step = Math.ceil(count / 10000),
      range = (axis, low, high) => {
        const all = [];
        for (let i = 0; i < count; i += step) all.push(points[2 * i + axis]);
        all.sort((a, b) => a - b);
        if (all.length === 0) return [low, high];
        const from = all[Math.floor(0.002 * (all.length - 1))],
          to = all[Math.ceil(0.998 * (all.length - 1))],
          room = 0.08 * (to - from);
        return [Math.max(low, from - room), Math.min(high, to + room)];
      },
      [x0, x1] = range(0, bounds.x0, bounds.x1),
      [y0, y1] = range(1, bounds.y0, bounds.y1),
      side = (box) => Math.max(box.x1 - box.x0, box.y1 - box.y0),
      core = { x0, y0, x1, y1 };
    return side(bounds) > 1.5 * side(core) ? core : bounds;
  }

  /** Groups of the samples, and a colour for each (#rrggbb). */
  colour(groups, colours) {
    this.groups = groups;
    this.colours = Uint32Array.from(colours, packed);
    this.css = colours;
    this.hidden.clear();
    this.only = -1;
    this.draw();
  }

  // ---- the view: screen = (point - centre) * scale + half the size, in CSS pixels ------------------------------------------------------
  resize() {
    const { clientWidth, clientHeight } = this.canvas,
      ratio = Math.min(2, Math.max(1, window.devicePixelRatio || 1, theme.printing ? 2 : 1));
    if (clientWidth === 0 || clientHeight === 0) return false;
    const before = this.size;
    if (before && before.width === clientWidth && before.height === clientHeight && before.ratio === ratio) return true;
    this.size = { width: clientWidth, height: clientHeight, ratio };
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.pixels = this.context.createImageData(this.canvas.width, this.canvas.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
    const fitting = ({ x0, y0, x1, y1 }) => Math.min((clientWidth - 24) / Math.max(1e-9, x1 - x0), (clientHeight - 24) / Math.max(1e-9, y1 - y0)),
      zoomed = before ? this.scale / this.least : 1;
    this.least = fitting(this.bounds);
    this.usual = fitting(this.core);
    this.scale = this.least * zoomed;
    if (!before) this.home();
    return true;
  }
  home() {
    const { x0, y0, x1, y1 } = this.core;
    this.x = (x0 + x1) / 2;
    this.y = (y0 + y1) / 2;
    this.scale = this.usual;
    this.draw();
  }
  /** Zooms by a factor about a place of the canvas (its middle without one). */
  zoom(factor, px = this.size.width / 2, py = this.size.height / 2) {
    const scale = Math.min(this.least * 400, Math.max(this.least * 0.9, this.scale * factor));
    this.x += (px - this.size.width / 2) * (1 / this.scale - 1 / scale);
    this.y += (py - this.size.height / 2) * (1 / this.scale - 1 / scale);
    this.scale = scale;
    this.keepInside();
    this.draw();
  }
  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.keepInside();
    this.draw();
  }
  keepInside() {
    const { x0, y0, x1, y1 } = this.bounds;
    this.x = Math.min(x1, Math.max(x0, this.x));
    this.y = Math.min(y1, Math.max(y0, this.y));
    // One finger scrolls the page past the view as it is at first, and pans a closer one.
    this.canvas.style.touchAction = this.scale > this.usual * 1.01 ? "none" : "pan-y";
  }
  place(i) {
    return [(this.points[2 * i] - this.x) * this.scale + this.size.width / 2, (this.points[2 * i + 1] - this.y) * this.scale + this.size.height / 2];
  }
  visible(i) {
    return !this.groups || !this.hidden.has(this.groups[i]);
  }

  /** Calls `each(i)` for the samples in the cells that a rectangle of the canvas touches. */
  within(left, top, right, bottom, each) {
    const { x0, y0, cell } = this.bounds,
      clamp = (v) => Math.min(GRID - 1, Math.max(0, Math.floor(v)));
    const at = (p, middle, half, from) => ((p - half) / this.scale + middle - from) / cell;
    const c0 = clamp(at(left, this.x, this.size.width / 2, x0)),
      c1 = clamp(at(right, this.x, this.size.width / 2, x0));
    const r0 = clamp(at(top, this.y, this.size.height / 2, y0)),
      r1 = clamp(at(bottom, this.y, this.size.height / 2, y0));
    for (let r = r0; r <= r1; ++r) for (let k = this.starts[r * GRID + c0], end = this.starts[r * GRID + c1 + 1]; k < end; ++k) each(this.members[k]);
  }
  /** The nearest visible sample within `reach` CSS pixels of a place, or -1. */
  nearest(px, py, reach = 12) {
    let best = -1,
      least = reach * reach;
    this.within(px - reach, py - reach, px + reach, py + reach, (i) => {
      const [x, y] = this.place(i),
        d = (x - px) ** 2 + (y - py) ** 2;
      if (d < least && this.visible(i)) [best, least] = [i, d];
    });
    return best;
  }

  // ---- drawing -------------------------------------------------------------------------------------------------------------------------
  draw() {
    if (theme.printing) return this.render();
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => this.render());
  }
  render() {
    cancelAnimationFrame(this.asked);
    this.asked = 0;
    if (!this.resize()) return;
    const begun = performance.now();
    const { words, size, points, order, groups, colours, only } = this,
      width = this.canvas.width,
      height = this.canvas.height,
      { ratio } = size;
    words.fill(packed(theme.colour("plot")));
    const zoomed = this.scale / this.usual;
    // A larger point where there is room: with few samples, and zoomed in.
    const radius = Math.min(5, Math.max(1.1, Math.sqrt((size.width * size.height) / Math.max(1, this.count)) * 0.22 * zoomed ** 0.5)) * ratio;
    const hidden = new Uint8Array(colours ? colours.length : 1);
    for (const g of this.hidden) hidden[g] = 1;
    const faded = packed(theme.colour("faded")),
      stamp = disc(radius),
      reach = Math.ceil(radius);
    const sx = this.scale * ratio,
      ox = (size.width / 2 - this.x * this.scale) * ratio,
      oy = (size.height / 2 - this.y * this.scale) * ratio;
    let shown = 0;
    for (let pass = only >= 0 ? 0 : 1; pass < 2; ++pass)
      for (let k = 0; k < order.length; ++k) {
        const i = order[k],
          g = groups[i];
        if (hidden[g] || (only >= 0 && (g === only) !== (pass === 1))) continue;
        const x = points[2 * i] * sx + ox,
          y = points[2 * i + 1] * sx + oy;
        if (x < -reach || y < -reach || x > width + reach || y > height + reach) continue;
        ++shown;
        blend(words, width, height, Math.round(x), Math.round(y), stamp, only >= 0 && pass === 0 ? faded : colours[g]);
      }
    this.context.putImageData(this.pixels, 0, 0);
    this.shown = shown;
    this.images = shown <= THUMBNAILS_AT && zoomed > 1.5 && this.pictures ? this.drawImages() : 0;
    this.mark();
    this.renders += 1;
    this.milliseconds = performance.now() - begun;
    if (this.onRender) this.onRender();
  }
  /** The images themselves, each in a frame of its group's colour. */
  drawImages() {
    const { context, size } = this,
      side = 28;
    let drawn = 0;
    context.save();
    context.scale(size.ratio, size.ratio);
    context.imageSmoothingEnabled = false;
    this.within(-side, -side, size.width + side, size.height + side, (i) => {
      if (!this.visible(i) || !this.pictures.has(i)) return;
      const [x, y] = this.place(i);
      if (x < -side || y < -side || x > size.width + side || y > size.height + side) return;
      context.fillStyle = this.only >= 0 && this.groups[i] !== this.only ? theme.colour("faded") : this.css[this.groups[i]];
      context.fillRect(x - side / 2 - 2, y - side / 2 - 2, side + 4, side + 4);
      if (this.pictures.draw(context, i, x - side / 2, y - side / 2, side, side, () => this.draw())) ++drawn;
    });
    context.restore();
    return drawn;
  }
  /** A ring about the sample that is told of. */
  mark() {
    if (this.selected < 0 || theme.printing) return;
    const { context, size } = this,
      [x, y] = this.place(this.selected);
    context.save();
    context.scale(size.ratio, size.ratio);
    for (const [colour, width] of [
      [theme.colour("plot"), 5],
      [theme.colour("text"), 2],
    ]) {
      context.beginPath();
      context.arc(x, y, this.images ? 21 : 8, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
    context.restore();
  }
  select(i, how) {
    if (i !== this.selected) {
      this.selected = i;
      this.draw();
    }
    const [x, y] = i < 0 ? [0, 0] : this.place(i);
    this.onPoint(i, x, y, how);
  }

  // ---- pointer, wheel and keys ---------------------------------------------------------------------------------------------------------
  listen() {
    const { canvas } = this,
      down = new Map();
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      down.set(event.pointerId, at(event));
      moved = down.size > 1 ? Infinity : 0;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event),
        before = down.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse" || event.pointerType === "pen") this.select(this.nearest(x, y), "pointer");
        return;
      }
      const dx = x - before[0],
        dy = y - before[1];
      if (down.size === 1) {
        moved += Math.abs(dx) + Math.abs(dy);
        if (moved < 4) return;
        down.set(event.pointerId, [x, y]);
        if (event.pointerType === "touch" && canvas.style.touchAction !== "none") return;
        canvas.classList.add("dragged");
        this.onPoint(-1, 0, 0, "pointer");
        this.pan(dx, dy);
      } else if (down.size === 2) {
        const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const was = Math.hypot(before[0] - other[0], before[1] - other[1]),
          is = Math.hypot(x - other[0], y - other[1]);
        down.set(event.pointerId, [x, y]);
        this.pan(dx / 2, dy / 2);
        if (was > 0) this.zoom(is / was, (x + other[0]) / 2, (y + other[1]) / 2);
      }
    });
    const up = (event) => {
      if (!down.delete(event.pointerId)) return;
      canvas.classList.remove("dragged");
      if (event.type === "pointerup" && moved < 4) this.select(this.nearest(...at(event), event.pointerType === "touch" ? 22 : 12), "pointer");
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && down.size === 0) this.select(-1, "pointer");
    });
    // A wheel that is scrolling the page goes on doing so when the canvas comes under it.
    let scrolled = -Infinity;
    window.addEventListener("scroll", () => (scrolled = performance.now()), { passive: true });
    canvas.addEventListener(
      "wheel",
      (event) => {
        const out = event.deltaY > 0;
        if (!event.ctrlKey && (performance.now() - scrolled < 250 || (out && this.scale <= this.least))) return;
        event.preventDefault();
        const pixels = event.deltaY * (event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1);
        this.zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), ...at(event));
        this.select(this.nearest(...at(event)), "pointer");
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const step = 60,
        act = {
          ArrowLeft: () => this.pan(step, 0),
          ArrowRight: () => this.pan(-step, 0),
          ArrowUp: () => this.pan(0, step),
          ArrowDown: () => this.pan(0, -step),
          "+": () => this.zoom(1.5),
          "=": () => this.zoom(1.5),
          "-": () => this.zoom(1 / 1.5),
          0: () => this.home(),
        }[event.key];
      if (event.key === "Escape") this.select(-1, "key");
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
      this.select(this.nearest(this.size.width / 2, this.size.height / 2, 80), "key");
    });
    canvas.addEventListener("blur", () => this.select(-1, "key"));
  }
}

/** #rrggbb as a pixel of ImageData: little-endian, opaque. */
function packed(colour) {
  const n = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((n & 0xff) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}

/** A disc with a soft edge: dx, dy and cover (0..256) of its pixels. */
function disc(radius) {
  const reach = Math.ceil(radius),
    out = [];
  for (let dy = -reach; dy <= reach; ++dy)
    for (let dx = -reach; dx <= reach; ++dx) {
      const cover = Math.round(256 * Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy))));
      if (cover > 0) out.push(dx, dy, cover);
    }
  return Int32Array.from(out);
}

function blend(words, width, height, x, y, stamp, colour) {
  const b = (colour >> 16) & 0xff,
    g = (colour >> 8) & 0xff,
    r = colour & 0xff;
  for (let k = 0; k < stamp.length; k += 3) {
    const px = x + stamp[k],
      py = y + stamp[k + 1],
      cover = stamp[k + 2];
    if (px < 0 || py < 0 || px >= width || py >= height) continue;
    const at = py * width + px;
    if (cover >= 256) {
      words[at] = colour;
      continue;
    }
    const under = words[at],
      rest = 256 - cover;
    words[at] =
      (0xff000000 |
        (((b * cover + ((under >> 16) & 0xff) * rest) >> 8) << 16) |
        (((g * cover + ((under >> 8) & 0xff) * rest) >> 8) << 8) |
        ((r * cover + (under & 0xff) * rest) >> 8)) >>>
      0;
  }
}
