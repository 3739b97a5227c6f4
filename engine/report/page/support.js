"use strict";
// What every part of the page uses: elements, numbers as text, arrays and pictures out of the data, colours. All text of the data enters the page
// as text nodes: nothing here or elsewhere reads it as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: attributes by name, `class`, `text`, `on` = { event: handler }; false and null leave an attribute out. Children: nodes or text. */
function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}
function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}
function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "text") node.textContent = value;
    else if (key === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// ---- numbers and times as text -------------------------------------------------------------------------------------------------------

const counted = (n) => Math.round(n).toLocaleString("en-GB");
const plural = (n, one, many = one + "s") => `${counted(n)} ${n === 1 ? one : many}`;
const percent = (share) => {
  const p = share * 100;
  return `${p > 0 && p < 1 ? p.toFixed(1) : p > 99 && p < 100 ? p.toFixed(1) : Math.round(p)}%`;
};

/** A number with `digits` significant ones, no exponent where it can be read without one. */
function figure(x, digits = 4) {
  if (typeof x !== "number" || !Number.isFinite(x)) return x === null || x === undefined ? "none" : String(x);
  if (Number.isInteger(x)) return Math.abs(x) < 1e15 ? x.toLocaleString("en-GB") : x.toExponential(digits - 1);
  const size = Math.abs(x);
  if (size < 1e-4 || size >= 1e7) return x.toExponential(Math.min(digits - 1, 3)).replace("e+", "e");
  return x.toFixed(Math.max(0, Math.min(8, digits - 1 - Math.floor(Math.log10(size)))));
}

/** A score between -1 and 1 with three decimals, so that those of a page can be compared; any other number by `figure`. */
const score = (x) => (typeof x === "number" && Math.abs(x) <= 1 ? x.toFixed(3) : figure(x));

/** Mean and deviation: scores as `score` has them, as in cdc-sweep's own tables, so that a column has one number of digits; others with as many digits
    as the deviation warrants, two of its own where the first is 1, else one; none: four. */
function spread(mean, deviation) {
  if (Math.abs(mean) <= 1 && Math.abs(deviation) <= 1) return [score(mean), deviation === null ? "" : score(deviation)];
  if (typeof deviation !== "number" || !(deviation > 0) || !Number.isFinite(deviation)) return [score(mean), deviation === 0 ? "0" : ""];
  const magnitude = Math.floor(Math.log10(deviation));
  const leading = Math.floor(deviation / 10 ** magnitude);
  const decimals = Math.max(0, Math.min(10, -magnitude + (leading === 1 ? 1 : 0)));
  return [mean.toFixed(decimals), deviation.toFixed(decimals)];
}

function duration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "";
  if (seconds < 10) return `${seconds < 0.01 && seconds > 0 ? "under 0.01" : seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  const s = Math.round(seconds);
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days ${Math.floor((s % 86400) / 3600)} h`;
}

function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  const parts = { year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" };
  return `${at.toLocaleString("en-GB", parts).replace(" at ", ", ")} UTC`;
}

/** Sentences one after the other; what is false or empty is left out. */
const say = (...sentences) => sentences.filter(Boolean).join(" ");

/** At most `most` characters of a name, the middle left out. */
const short = (text, most = 24) =>
  text.length <= most ? text : `${text.slice(0, Math.ceil(most / 2))}…${text.slice(text.length - Math.floor(most / 2) + 1)}`;

// ---- what the data packs -------------------------------------------------------------------------------------------------------------

const KINDS = { u8: Uint8Array, u16: Uint16Array, i16: Int16Array, u32: Uint32Array, f32: Float32Array };

/** "u16:BASE64" of little-endian elements, or a plain list, as an array; null for nothing. */
function unpack(packed) {
  if (packed === null || packed === undefined) return null;
  if (typeof packed !== "string") return packed;
  const colon = packed.indexOf(":");
  const kind = KINDS[packed.slice(0, colon)];
  if (!kind) throw new Error(`the report's data has an array of a type that this page does not know: ${packed.slice(0, 12)}`);
  const text = atob(packed.slice(colon + 1));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return new kind(bytes.buffer, 0, Math.floor(bytes.length / kind.BYTES_PER_ELEMENT));
}

/** Pictures of one size on sheets, row by row; `of` (absent: sample i is the i-th) says whose. A sheet is decoded when it is first asked for. */
class Pictures {
  constructor(data) {
    this.width = data.width;
    this.height = data.height;
    this.columns = data.columns;
    this.sheets = data.sheets || [];
    this.rows = data.rows || Math.max(1, Math.ceil((data.of ? data.of.length : 0) / this.columns));
    this.places = data.of ? new Map(data.of.map((sample, place) => [sample, place])) : null;
    this.images = [];
  }
  place(sample) {
    const place = this.places ? this.places.get(sample) : sample;
    return place !== undefined && place < this.sheets.length * this.columns * this.rows ? place : -1;
  }
  has(sample) {
    return this.place(sample) >= 0;
  }
  /** The sheet's image, and whether it can be drawn; `then` is called, once, when it can be. */
  sheet(number, then) {
    if (!this.images[number]) {
      const image = new Image();
      const entry = { image, ready: false, waiting: [] };
      this.images[number] = entry;
      image.onload = () => {
        entry.ready = true;
        for (const one of entry.waiting.splice(0)) one();
      };
      image.src = this.sheets[number];
    }
    const entry = this.images[number];
    if (!entry.ready && then) entry.waiting.push(then);
    return entry;
  }
  /** All sheets decoded: a promise; one that cannot be decoded is left out. */
  load() {
    return Promise.all(
      this.sheets.map((_, number) => {
        const { image } = this.sheet(number);
        return image.decode().then(
          () => (this.images[number].ready = true),
          () => {},
        );
      }),
    );
  }
  /** Draws a sample's picture into a rectangle of a 2D context; false where it is not decoded yet: `then` is called when it is. */
  draw(context, sample, x, y, width, height, then) {
    const place = this.place(sample),
      each = this.columns * this.rows;
    const { image, ready } = this.sheet(Math.floor(place / each), then);
    if (!ready) return false;
    const at = place % each;
    context.drawImage(
      image,
      (at % this.columns) * this.width,
      Math.floor(at / this.columns) * this.height,
      this.width,
      this.height,
      x,
      y,
      width,
      height,
    );
    return true;
  }
}

// ---- colours -------------------------------------------------------------------------------------------------------------------------

// Okabe and Ito (2008), their yellow darker on white, and three of Tol's: ten that colour-blind people can tell apart, for each theme.
const CATEGORIES = {
  light: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#882255", "#b8a800", "#7d7d7d", "#332288"],
  dark: ["#3a9bdc", "#e69f00", "#14b887", "#e39cc4", "#9ad6f7", "#f0743e", "#c2588c", "#f0e442", "#a3a3a3", "#8f86e8"],
};

/** Colours of `count` categories as #rrggbb; beyond ten, hues at golden angles in three lightnesses. */
function categoryColours(count, theme) {
  if (count <= 10) return CATEGORIES[theme].slice(0, Math.max(1, count));
  const lightness = theme === "dark" ? [0.7, 0.58, 0.8] : [0.45, 0.58, 0.34];
  return Array.from({ length: count }, (_, i) => hsl((i * 137.508) % 360, 0.62, lightness[i % 3]));
}
function hsl(h, s, l) {
  const part = (n) => {
    const k = (n + h / 30) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))))
      .toString(16)
      .padStart(2, "0");
  };
  return `#${part(0)}${part(8)}${part(4)}`;
}

/** The colour at `t` (0 to 1) of a scale of evenly spaced colours #rrggbb. */
function ramp(scale, t) {
  const at = Math.min(1, Math.max(0, t)) * (scale.length - 1),
    i = Math.min(scale.length - 2, Math.floor(at)),
    part = at - i;
  const channel = (colour, k) => parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${[0, 1, 2].map((k) => Math.round(channel(scale[i], k) * (1 - part) + channel(scale[i + 1], k) * part)).join(",")})`;
}

/** The page's theme: which, and its colours as the style sheet has them. Printing is always light. */
const theme = {
  printing: false,
  dark: window.matchMedia("(prefers-color-scheme: dark)"),
  calm: window.matchMedia("(prefers-reduced-motion: reduce)"),
  get name() {
    return this.dark.matches && !this.printing ? "dark" : "light";
  },
  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  },
};
