"use strict";
// What the page holds, in the order, the words and the statistics that it is told in.

const $ = (id) => document.getElementById(id);
const STEP = "step",
  FAILED = "failed",
  FINISHED = "finished";
// Student's t at 97.5% for 1, 2, ... degrees of freedom.
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
];
let data,
  N,
  all = [];

async function load() {
  const bytes = Uint8Array.from(atob($("data").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  data = await new Response(stream).json();
  N = data.columns.identity.length;
  all = Array.from({ length: N }, (_, i) => i);
}

const column = (key) => data.columns[key];
const spoken = (key) => data.labels[key] || key;
const axisLabel = (key) => data.axis[key] || spoken(key);
const isFinished = (run) => column("status")[run] === FINISHED;
const hasFailed = (run) => column("status")[run] === FAILED;
const isKnown = (run) => column("seed")[run] !== null; // of a damaged config nothing is
const isNumeric = (key) => data.numeric.includes(key);

// Nothing that moves a cursor, turns the direction of reading or is invisible.
const printable = (s) =>
  s.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

function number(v, digits = 4) {
  if (Number.isInteger(v)) return Math.abs(v) < 1e9 ? String(v) : v.toExponential(digits - 1).replace(/\.?0*e/, "e");
  return String(+v.toPrecision(digits));
}

function text(v) {
  return v === null || v === undefined ? "" : typeof v === "number" ? number(v) : printable(String(v));
}

function shortened(s, most = 30) {
  return s.length <= most ? s : `${s.slice(0, most / 2)}…${s.slice(1 - most / 2)}`;
}

// A value as it was given, of a number up to six digits; three if it has more.
function valueText(v) {
  if (v === null) return "none";
  if (typeof v !== "number") return text(v);
  return number(v, [3, 4, 5, 6].find((digits) => Number(v.toPrecision(digits)) === v) ?? 3);
}

// What a run has in a column: of what was swept nothing is "none", and not missing.
function cellText(key, run) {
  const v = column(key)[run];
  return v === null && data.keys.includes(key) && isKnown(run) ? "none" : text(v);
}

// "label noise 0.2"; of a group, or a column of names, the name alone.
function legendText(key, v) {
  const isName =
    typeof v === "string" && (!key.includes(".") || key.startsWith("choices.") || key.endsWith("._target_"));
  return (isName ? "" : `${spoken(key)} `) + shortened(valueText(v));
}

const NUMBERS = /(\d+(?:\.\d+)?(?:e[+-]?\d+)?)/, // in a text
  split = new Map();

function parts(said) {
  if (!split.has(said)) split.set(said, said.split(NUMBERS).map((part, i) => (i % 2 ? Number(part) : part)));
  return split.get(said);
}

// Null last; the numbers in texts count as numbers.
function ordered(a, b) {
  if (typeof a === "string" && typeof b === "string") {
    const other = parts(b),
      at = parts(a).findIndex((part, i) => part !== other[i]);
    if (at >= 0 && at < other.length) return parts(a)[at] < other[at] ? -1 : 1;
  }
  return a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1;
}

const codes = new Map();

// The sorted values of a column, and of each run the place of its own among them.
function coded(key) {
  if (!codes.has(key)) {
    const values = [...new Set(column(key))].sort(ordered),
      place = new Map(values.map((v, i) => [v, i]));
    codes.set(key, { values, of: column(key).map((v) => place.get(v)) });
  }
  return codes.get(key);
}

function levels(key, runs) {
  const { values, of } = coded(key),
    seen = new Uint8Array(values.length);
  for (const i of runs) seen[of[i]] = 1;
  return values.filter((_, k) => seen[k]);
}

// Runs by combination of the keys' values, in the order of these.
function groups(keys, runs) {
  const found = new Map(),
    parts = keys.map(coded);
  for (const i of runs) {
    let id = 0;
    for (const { values, of } of parts) id = id * values.length + of[i];
    const group = found.get(id);
    if (group) group.push(i);
    else found.set(id, [i]);
  }
  return [...found].sort((a, b) => a[0] - b[0]).map((entry) => entry[1]);
}

// Mean and half-width of the 95% interval at each x of [x, y, run]: [{x, mean, half, runs}], sorted by x.
function means(triples) {
  const at = new Map();
  for (const [x, y, run] of triples) {
    if (x === null || y === null || x === undefined || y === undefined) continue;
    let s = at.get(x);
    if (!s) at.set(x, (s = { x, ys: [], runs: [] }));
    s.ys.push(y);
    s.runs.push(run);
  }
  return [...at.values()]
    .sort((a, b) => a.x - b.x)
    .map(({ x, ys, runs }) => {
      const n = ys.length,
        mean = ys.reduce((a, b) => a + b, 0) / n;
      const squares = ys.reduce((a, y) => a + (y - mean) ** 2, 0),
        df = n - 1;
      const half = n >= data.rules.seedsForABand ? (T[df - 1] || 1.96 + 2.45 / df) * Math.sqrt(squares / df / n) : 0;
      return { x, mean, half, runs };
    });
}

// The evaluations of a run after the first step: [step, value].
function* evaluations(run, quantity) {
  const { start, step, quantities } = data.steps,
    values = quantities[quantity];
  if (values)
    for (let r = start[run]; r < start[run + 1]; r++) if (step[r] > 0 && values[r] !== null) yield [step[r], values[r]];
}

// What a quantity was at each place of an axis: [x, y, run] of all runs.
function* measurements(runs, x, y) {
  for (const i of runs) {
    if (x === STEP) for (const [step, value] of evaluations(i, y)) yield [step, value, i];
    else yield [column(x)[i], column(y)[i], i];
  }
}

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function range(values) {
  let low = Infinity,
    high = -Infinity;
  for (const v of values)
    if (v !== null) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  return [low, high];
}

function element(tag, attributes = {}, ...children) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}
