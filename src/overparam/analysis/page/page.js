"use strict";
// The page of a sweep: no library, no network. Everything it shows is in the script element "data".

const $ = (id) => document.getElementById(id);
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]; // Okabe & Ito
const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102]];
// Student's t at 97.5% for 1, 2, ... degrees of freedom.
const T = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086];
const EPSILON = 0.1, SEEDS_FOR_A_BAND = 3, ROW = 24, STEP = "step";
// As in the figures: along no other key is there an interpolation threshold; noise gets panels; dashes of further keys.
const THRESHOLD_ALONG = ["model.width", "data.n_train", "params_per_sample", "params"], NOISE = "data.label_noise";
const DASHES = [[], [6, 4], [2, 3]], MOST_PANELS = 6, MOST_TICKS = 24, FAILED = "failed";
let data, N, shown = [], order = [], sortKey = null, sortDown = false, selected = -1, points = [], scales = null;

async function load() {
  const bytes = Uint8Array.from(atob($("data").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  data = await new Response(stream).json();
  N = data.columns.identity.length;
  build();
  update();
  document.body.dataset.ready = "yes";
}

const column = (name) => data.columns[name];
const name = (key) => data.labels[key] || key;
const text = (v) => v === null || v === undefined ? "" : typeof v === "number" ? (Math.abs(v) >= 1e7 ? v.toExponential(2) : Number.isInteger(v) ? String(v) : String(+v.toPrecision(4))) : String(v);
const unique = (values) => [...new Set(values)].sort((a, b) => a === null ? 1 : b === null ? -1 : a < b ? -1 : a > b ? 1 : 0);
const isNumber = (key) => column(key).every((v) => v === null || typeof v === "number") && column(key).some((v) => v !== null);

function element(tag, attributes, ...children) {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
}

function build() {
  $("title").textContent = data.title;
  const count = (status) => column("status").filter((s) => s === status).length;
  $("counts").textContent = ["finished", "failed", "unfinished"].map((s) => `${count(s)} ${s}`).join(", ") + ` of ${N} runs`;
  for (const command of data.commands) $("commands").append(element("code", { textContent: command }), element("br"));
  for (const [key, value] of Object.entries(data.shared)) $("shared").append(element("dt", { textContent: key }), element("dd", { textContent: text(value) }));
  const numbers = data.keys.filter(isNumber), names = data.keys.filter((k) => !isNumber(k));
  const along = [...numbers.filter((k) => k !== NOISE), ...numbers.filter((k) => k === NOISE), ...names];
  const sizes = data.sizes.filter((k) => !data.keys.includes(k));
  const xs = along.length ? [...along, ...sizes, STEP] : [STEP, ...sizes]; // of a single setting there is only its training
  options("x", xs);
  options("y", data.quantities);
  options("color", ["", ...data.keys, "regime"]);
  options("facet", ["", ...data.keys]);
  let others = data.keys.filter((k) => k !== xs[0]);
  const fits = (k) => unique(column(k)).length <= MOST_PANELS;
  const first = others.includes(NOISE) && fits(NOISE) ? NOISE : "";
  $("color").value = others.find((k) => k !== first) || "";
  others = others.filter((k) => k !== $("color").value);
  $("facet").value = first || others.find(fits) || "";
  suggestLog();
  for (const key of [...data.keys, "regime", "status"]) addFilter(key);
  for (const id of ["logx", "y", "logy", "color", "facet", "dots"]) $(id).onchange = draw;
  $("x").onchange = () => { suggestLog(); draw(); };
  $("reset").onclick = () => {
    for (const input of $("filters").querySelectorAll("input")) input.type === "checkbox" ? (input.checked = true) : (input.value = "");
    update();
  };
  data.table.forEach((key) => $("head").append(element("div", { textContent: name(key), title: `${key}: click to sort`, onclick: () => sortBy(key) })));
  $("body").onscroll = rows;
  $("chart").onmousemove = hover;
  $("chart").onmouseleave = () => { $("tip").hidden = true; };
  $("chart").onclick = (event) => { const p = nearest(event); if (p) select(p.run); };
  new ResizeObserver(() => { draw(); drawCurve(); }).observe($("charts"));
  const failed = column("status").map((s, i) => [s, i]).filter(([s]) => s === "failed").map(([, i]) => i);
  if (failed.length) {
    const list = failed.slice(0, 200).map((i) => element("li", {}, element("b", { textContent: column("identity")[i] }), `: ${column("reason")[i]}`));
    $("failures").append(element("h2", { textContent: `${failed.length} failed runs` }), element("ul", {}, ...list));
    if (failed.length > 200) $("failures").append("The first 200; the table holds all.");
  }
}

function options(id, keys) {
  for (const key of keys) $(id).append(element("option", { value: key, textContent: key === "" ? "nothing" : name(key) }));
}

function suggestLog() {
  const values = $("x").value === STEP ? [1, 1000] : isNumber($("x").value) ? column($("x").value).filter((v) => v !== null) : [0];
  const low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  $("logx").checked = low > 0 && high / low > 8;
  if ($("x").value === STEP && !$("color").value) $("color").value = data.keys[0] || "";
}

function addFilter(key) {
  const values = unique(column(key));
  if (values.length < 2) return;
  const box = element("fieldset", {}, element("legend", { textContent: name(key) }));
  box.dataset.key = key;
  if (values.length <= 14) {
    for (const value of values) {
      const input = element("input", { type: "checkbox", checked: true, onchange: update });
      input.dataset.value = JSON.stringify(value);
      box.append(element("label", {}, input, " " + (value === null ? "none" : text(value))));
    }
  } else if (isNumber(key)) {
    for (const side of ["from", "to"]) box.append(element("input", { type: "number", step: "any", placeholder: side, name: side, oninput: update }));
  } else {
    box.append(element("input", { type: "search", placeholder: "contains", oninput: update }));
  }
  $("filters").append(box);
}

function update() {
  const keep = new Uint8Array(N).fill(1);
  for (const box of $("filters").children) {
    const values = column(box.dataset.key);
    const inputs = [...box.querySelectorAll("input")];
    if (inputs[0].type === "checkbox") {
      const allowed = new Set(inputs.filter((i) => i.checked).map((i) => JSON.parse(i.dataset.value)));
      if (allowed.size < inputs.length) values.forEach((v, i) => { if (!allowed.has(v)) keep[i] = 0; });
    } else if (inputs[0].type === "number") {
      const [from, to] = inputs.map((i) => i.value === "" ? null : +i.value);
      values.forEach((v, i) => { if ((from !== null && !(v >= from)) || (to !== null && !(v <= to && v !== null))) keep[i] = 0; });
    } else if (inputs[0].value) {
      values.forEach((v, i) => { if (!text(v).includes(inputs[0].value)) keep[i] = 0; });
    }
  }
  shown = [];
  for (let i = 0; i < N; i++) if (keep[i]) shown.push(i);
  $("shown").textContent = `${shown.length} of ${N} runs shown`;
  sort();
  draw();
}

// Runs that differ in seeds only are one setting; `skip` is the key along the horizontal axis.
function settings(skip, runs = shown) {
  const keys = data.keys.filter((k) => k !== skip).map(column);
  const groups = new Map();
  for (const i of runs) {
    const id = JSON.stringify(keys.map((c) => c[i]));
    if (!groups.has(id)) groups.set(id, []);
    groups.get(id).push(i);
  }
  return [...groups.values()];
}

function colorOf() {
  const key = $("color").value;
  if (!key) return { values: [], of: () => PALETTE[0] };
  const values = unique(column(key)), index = new Map(values.map((v, i) => [v, i]));
  const ordered = values.length > PALETTE.length || (values.length > 3 && isNumber(key));
  const pick = (i) => {
    if (!ordered) return PALETTE[i % PALETTE.length];
    const t = (i / Math.max(1, values.length - 1)) * (CIVIDIS.length - 1), a = CIVIDIS[Math.floor(t)], b = CIVIDIS[Math.ceil(t)];
    return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (t % 1))).join(",")})`;
  };
  return { values, of: (run) => pick(index.get(column(key)[run])), pick };
}

// Mean and half-width of the 95% interval at each x: [{x, mean, half, count, runs}], sorted by x.
function means(pairs) {
  const at = new Map();
  for (const [x, y] of pairs) {
    if (x === null || y === null || y === undefined) continue;
    const s = at.get(x) || { x, n: 0, sum: 0, squares: 0 };
    s.n++; s.sum += y; s.squares += y * y;
    at.set(x, s);
  }
  return [...at.values()].sort((a, b) => a.x - b.x).map((s) => {
    const mean = s.sum / s.n, variance = s.n > 1 ? Math.max(0, (s.squares - s.n * mean * mean) / (s.n - 1)) : 0;
    const half = s.n >= SEEDS_FOR_A_BAND ? (T[s.n - 2] || 1.96) * Math.sqrt(variance / s.n) : 0;
    return { x: s.x, mean, half };
  });
}

function* evaluations(run, quantity) {
  const values = data.steps.quantities[quantity];
  if (values) for (let r = data.steps.start[run]; r < data.steps.start[run + 1]; r++) yield [data.steps.step[r], values[r]];
}

// The values of a key get panels, those that are shown.
function panels() {
  const key = $("facet").value === $("x").value ? "" : $("facet").value;
  if (!key) return [["", shown]];
  const values = column(key), inView = unique(shown.map((i) => values[i]));
  return (inView.length ? inView : [null]).map((v) => [`${name(key)} ${v === null ? "none" : text(v)}`, shown.filter((i) => values[i] === v)]);
}

// Dashes of the keys that are neither axis nor colour nor panel, by combination.
function dashOf(x) {
  const rest = data.keys.filter((k) => ![x, $("color").value, $("facet").value].includes(k));
  const say = (i) => rest.map((k) => `${name(k)} ${column(k)[i] === null ? "none" : text(column(k)[i])}`).join(", ");
  const combinations = rest.length ? unique(shown.map(say)) : [];
  return { combinations, of: (run) => DASHES[Math.max(0, combinations.indexOf(say(run))) % DASHES.length] };
}

function draw() {
  const x = $("x").value, y = $("y").value, colors = colorOf();
  const overSteps = x === STEP && data.steps.quantities[y], names = x === STEP || isNumber(x) ? null : unique(column(x));
  const at = (i) => names ? names.indexOf(column(x)[i]) : column(x === STEP ? "steps" : x)[i];
  // Over steps or a measured size each setting is a line of its own, but for the key that the size grows with.
  const skip = data.keys.includes(x) ? x : x === STEP ? null : data.keys.filter(isNumber)[0];
  const dashes = dashOf(skip), context = prepare($("chart")), all = panels(), width = context.canvas.getBoundingClientRect().width / all.length;
  points = []; scales = null;
  const drawings = all.map(([title, runs]) => {
    const lines = settings(skip, runs).slice(0, 400).map((own) => {
      const pairs = overSteps ? own.flatMap((i) => [...evaluations(i, y)].filter(([s]) => s > 0)) : own.map((i) => [at(i), column(y)[i]]);
      return { runs: own, color: colors.of(own[0]), dash: dashes.of(own[0]), curve: means(pairs) };
    });
    const own = overSteps ? [] : runs.map((i) => ({ run: i, x: at(i), y: column(y)[i] })).filter((p) => p.x !== null && p.x !== undefined && p.y !== null);
    return { title, lines, runs, points: own };
  });
  const xs = [], ys = [];
  for (const d of drawings) {
    for (const l of d.lines) for (const c of l.curve) { xs.push(c.x); ys.push(c.mean + c.half); ys.push(c.mean); }
    if ($("dots").checked) for (const p of d.points) { xs.push(p.x); ys.push(p.y); }
  }
  if (names) xs.push(-0.5, names.length - 0.5);
  const swept = data.keys.includes(x) && !names ? unique(column(x)).filter((v) => v !== null) : [];
  const marks = names ? names.map((v, i) => [i, v === null ? "none" : text(v)]) : swept.length && swept.length <= MOST_TICKS ? swept.map((v) => [v, text(v)]) : null;
  const count = drawings.reduce((n, d) => n + d.lines.length, 0);
  drawings.forEach((d, k) => {
    const own = axes(context, xs, ys, $("logx").checked && !names, $("logy").checked, name(x), k ? "" : name(y), { left: k * width, width, marks, title: d.title });
    scales = scales || own;
    d.points.forEach((p) => points.push(Object.assign(p, { scales: own })));
    drawPanel(context, d, own, colors, !names, count, overSteps, x, at);
  });
  const items = colors.values.slice(0, 24).map((v, i) => { const mark = element("i"); mark.style.background = colors.pick(i); return element("span", {}, mark, `${name($("color").value)} ${v === null ? "none" : text(v)}`); });
  dashes.combinations.slice(0, 12).forEach((c, i) => items.push(element("span", { textContent: `${["solid", "dashed", "dotted"][i % 3]}: ${c}` })));
  const seeds = unique(drawings.flatMap((d) => settings(x === STEP || data.sizes.includes(x) ? skip : null, d.runs)).map((runs) => runs.length));
  const range = seeds.length > 1 ? `${seeds[0]} to ${seeds[seeds.length - 1]}` : `${seeds[0] || 0}`;
  items.push(element("span", { textContent: `runs of a setting: ${range}` }));
  if (THRESHOLD_ALONG.includes(x) && count <= 14) items.push(element("span", { textContent: "dotted upright: interpolation threshold (train error 0.1)" }));
  if (shown.some((i) => column("status")[i] === FAILED)) items.push(element("span", { textContent: "× all runs failed" }));
  $("legend").replaceChildren(...items);
}

function drawPanel(context, panel, own, colors, joined, count, overSteps, x, at) {
  const { X, Y } = own;
  context.save();
  context.beginPath();
  context.rect(own.left, own.top, own.right - own.left, own.bottom - own.top);
  context.clip();
  const size = points.length > 2000 ? 3 : 6;
  if ($("dots").checked) for (const p of panel.points) {
    context.fillStyle = colors.of(p.run);
    context.globalAlpha = points.length > 2000 ? 0.25 : 0.6;
    context.fillRect(X(p.x) - size / 2, Y(p.y) - size / 2, size, size);
  }
  panel.lines.forEach((line, place) => {
    context.globalAlpha = 1; context.fillStyle = line.color;
    if (!joined || line.curve.length === 1) {
      for (const c of line.curve) {
        context.beginPath(); context.arc(X(c.x), Y(c.mean), 5, 0, 7); context.fill();
        stroke(context, [[X(c.x), Y(c.mean - c.half)], [X(c.x), Y(c.mean + c.half)]], line.color, 1, 1.6, []);
      }
    } else {
      if (count <= 12) {
        context.globalAlpha = 0.15; context.beginPath();
        line.curve.forEach((c) => context.lineTo(X(c.x), Y(c.mean + c.half)));
        [...line.curve].reverse().forEach((c) => context.lineTo(X(c.x), Y(c.mean - c.half)));
        context.fill();
      }
      stroke(context, line.curve.map((c) => [X(c.x), Y(c.mean)]), line.color, count > 40 ? 0.5 : 1, 1.6, line.dash);
    }
    if (THRESHOLD_ALONG.includes(x) && count <= 14) threshold(context, line, x, own);
    if (!overSteps) for (const [where, runs] of byPlace(line.runs, at)) {
      if (runs.every((i) => column("status")[i] === FAILED)) cross(context, X(where), own.bottom - 8 - 10 * (place % 8), line.color);
    }
  });
  context.restore();
  const p = overSteps ? null : panel.points.find((q) => q.run === selected);
  if (p) { context.globalAlpha = 1; context.strokeStyle = "#000"; context.lineWidth = 1; context.beginPath(); context.arc(X(p.x), Y(p.y), 7, 0, 7); context.stroke(); }
}

function byPlace(runs, at) {
  const places = new Map();
  for (const i of runs) if (at(i) !== null && at(i) !== undefined) places.set(at(i), [...(places.get(at(i)) || []), i]);
  return places;
}

function cross(context, x, y, color) {
  for (const side of [-1, 1]) stroke(context, [[x - 4, y - 4 * side], [x + 4, y + 4 * side]], color, 1, 2, []);
}

// The smallest x from which on the training error stays small; along n the largest up to which it is.
function threshold(context, line, x, own) {
  const curve = means(line.runs.map((i) => [column(x)[i], column("train_error")[i]]));
  if (x === "data.n_train") curve.reverse();
  let last = -1;
  curve.forEach((c, k) => { if (c.mean > EPSILON) last = k; });
  if (last < 0 || last === curve.length - 1) return;
  const at = own.X(curve[last + 1].x);
  stroke(context, [[at, own.top], [at, own.bottom]], line.color, 0.8, 1, [2, 3]);
}

function nearest(event) {
  const box = $("chart").getBoundingClientRect(), mx = event.clientX - box.left, my = event.clientY - box.top;
  let best = null, least = 20 * 20;
  for (const p of points) {
    const d = (p.scales.X(p.x) - mx) ** 2 + (p.scales.Y(p.y) - my) ** 2;
    if (d < least) { least = d; best = p; }
  }
  return best;
}

function describe(run) {
  const keys = [...data.keys, "seed", "regime", "params_per_sample", "train_error", "test_error", "reason"].filter((k) => column(k) && column(k)[run] !== null);
  return [column("identity")[run], ...[...new Set(keys)].map((k) => `${name(k)}: ${text(column(k)[run])}`)].join("\n");
}

function hover(event) {
  const p = nearest(event), tip = $("tip");
  tip.hidden = !p;
  if (!p) return;
  tip.textContent = describe(p.run);
  tip.style.left = Math.min(event.clientX + 14, window.innerWidth - 380) + "px";
  tip.style.top = event.clientY + 14 + "px";
}

function select(run) {
  selected = run;
  $("selected").textContent = describe(run).replaceAll("\n", " · ");
  draw(); rows(); drawCurve();
}

function drawCurve() {
  const context = prepare($("curve"));
  if (selected < 0) return;
  const kind = $("y").value.endsWith("loss") ? "loss" : "error";
  const curves = ["test", "train"].map((part) => [...evaluations(selected, `${part}_${kind}`)].filter(([s, v]) => s > 0 && v !== null));
  const all = curves.flat();
  const { X, Y } = axes(context, all.map((p) => p[0]), all.map((p) => p[1]), true, $("logy").checked, name(STEP), kind);
  curves.forEach((curve, k) => stroke(context, curve.map(([s, v]) => [X(s), Y(v)]), PALETTE[k], 1, 1.6, k ? [6, 4] : []));
  context.textAlign = "right"; context.globalAlpha = 1;
  const right = $("curve").getBoundingClientRect().width - 16;
  ["test", "train (dashed)"].forEach((label, k) => { context.fillStyle = PALETTE[k]; context.fillText(label, right, 22 + 16 * k); });
}

function sortBy(key) {
  sortDown = sortKey === key && !sortDown;
  sortKey = key;
  sort();
}

function sort() {
  order = shown.slice();
  if (sortKey) {
    const values = column(sortKey), sign = sortDown ? -1 : 1;
    order.sort((a, b) => values[a] === null ? 1 : values[b] === null ? -1 : values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b);
  }
  $("space").style.height = order.length * ROW + "px";
  [...$("head").children].forEach((cell, k) => { cell.textContent = name(data.table[k]) + (data.table[k] === sortKey ? (sortDown ? " ▼" : " ▲") : ""); });
  rows();
}

// Only the rows in view exist, however many runs there are.
function rows() {
  const first = Math.floor($("body").scrollTop / ROW), last = Math.min(order.length, first + Math.ceil($("body").clientHeight / ROW) + 1);
  $("rows").style.top = first * ROW + "px";
  $("rows").replaceChildren(...order.slice(first, last).map((run) => {
    const cells = data.table.map((key) => element("div", { textContent: text(column(key)[run]), title: text(column(key)[run]) }));
    const kind = (column("status")[run] === "failed" ? " failed" : "") + (run === selected ? " selected" : "");
    return element("div", { className: "row" + kind, onclick: () => select(run) }, ...cells);
  }));
}

load();
