"use strict";
// Heat maps of the mean of a quantity over two axes, as the figures' (analysis/maps.py).

function describeHeat(runs, layout, second, part) {
  const drawn = shownBy(layout, runs).filter(isFinished),
    { x } = layout;
  const panels = panelsOf(layout, drawn).map(({ texts, runs: own }) => ({
    title: texts.join(", "),
    runs: own,
    cells: cellsOf(own, x, second, part),
  }));
  const cells = panels.flatMap((p) => p.cells),
    [xs, ys] = ["x", "y"].map((side) => [...new Set(cells.map((c) => c[side]))].sort((a, b) => a - b));
  // The chance level of the first steps would leave no colours for the rest.
  const isLate = (c) => (x !== STEP || c.x >= xs.at(-1) / 10) && (second !== STEP || c.y >= ys.at(-1) / 10);
  const shades = cells
    .filter(isLate)
    .map((c) => c.mean)
    .sort((a, b) => a - b);
  const keys = [x, second, layout.columns, ...layout.rows].filter((k) => k && k !== STEP);
  const notes = [drawn.length ? meansText(keys, drawn) : "no run finished", noteOf(layout)];
  return { layout, second, part, panels, finished: drawn, xs, ys, shades, notes: notes.filter(Boolean) };
}

// The colours of sorted means; over steps all above the 95th percentile are one.
function shading(shades, isOverSteps, wantsLog) {
  const top = isOverSteps ? shades[Math.floor(0.95 * (shades.length - 1))] : shades.at(-1),
    isLogged = wantsLog && shades[0] > 0;
  const limits = isLogged ? [shades[0], top] : [Math.min(0, shades[0]), top || 1],
    shade = scale(isLogged ? "log" : "linear", limits, [0, 1]);
  return { limits, isCut: top < shades.at(-1), colorOf: (v) => sequential(Math.max(0, Math.min(1, shade(v)))) };
}

// Ticks from the lowest up, without those that would touch the one below.
function spacedDown(ticks, Y) {
  let edge = Infinity;
  return ticks.filter(([v]) => {
    const fits = edge - Y(v) >= 14;
    if (fits) edge = Y(v);
    return fits;
  });
}

function cellsOf(runs, x, y, part) {
  const at = new Map();
  const add = (a, b, value, train, run) => {
    if ([a, b, value].some((v) => v === null || v === undefined)) return;
    const key = `${a} ${b}`;
    if (!at.has(key)) at.set(key, { x: a, y: b, values: [], train: [], runs: [] });
    const cell = at.get(key);
    cell.values.push(value);
    cell.runs.push(run);
    if (train !== null && train !== undefined) cell.train.push(train);
  };
  for (const i of runs) {
    if (x !== STEP && y !== STEP) {
      add(column(x)[i], column(y)[i], column(part)[i], column("train_error")[i], i);
      continue;
    }
    const trained = new Map(evaluations(i, "train_error"));
    for (const [step, value] of evaluations(i, part))
      add(x === STEP ? step : column(x)[i], y === STEP ? step : column(y)[i], value, trained.get(step), i);
  }
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return [...at.values()].map((c) => ({
    ...c,
    mean: mean(c.values),
    fits: c.train.length > 0 && mean(c.train) <= data.rules.epsilon,
  }));
}

// Edges of cells around sorted values, half-way on the axis, in pixels.
function edges(values, place, [from, to]) {
  const at = values.map(place);
  return [from, ...at.slice(1).map((p, k) => (p + at[k]) / 2), to].map(Math.round); // whole, for there is no seam then
}

// The scale of a side that leaves half a cell around its first and last value.
function cellScale(values, kind, [from, to], linear) {
  const plain = scale(kind, range(values), [0, 1], linear),
    at = values.map(plain),
    n = at.length;
  const before = n > 1 ? (at[1] - at[0]) / 2 : 0.5,
    after = n > 1 ? (at[n - 1] - at[n - 2]) / 2 : 0.5;
  return (v) => from + ((plain(v) + before) / (at[n - 1] + before + after)) * (to - from);
}

// Draw a panel's cells and the line around those that fit their data; return its marks.
function drawHeat(context, described, panel, X, Y, colorOf) {
  const { clientWidth, clientHeight } = context.canvas,
    { xs, ys } = described;
  const acrossX = edges(xs, X, [MARGIN.left, clientWidth - MARGIN.right]),
    acrossY = edges(ys, Y, [clientHeight - foot(context.canvas), head(context.canvas)]);
  const at = new Map(panel.cells.map((c) => [`${c.x} ${c.y}`, c])),
    marks = [];
  const column = new Map(xs.map((v, i) => [v, i])),
    row = new Map(ys.map((v, j) => [v, j]));
  for (const cell of panel.cells) {
    const i = column.get(cell.x),
      j = row.get(cell.y),
      [l, r, b, t] = [acrossX[i], acrossX[i + 1], acrossY[j], acrossY[j + 1]];
    context.fillStyle = colorOf(cell.mean);
    context.fillRect(l, t, r - l, b - t);
    marks.push({
      x: (l + r) / 2,
      y: (t + b) / 2,
      box: [l, t, r - l, b - t],
      runs: [...new Set(cell.runs)],
      mean: cell,
      part: described.part,
    });
  }
  for (const cell of panel.cells) {
    const i = column.get(cell.x),
      j = row.get(cell.y),
      right = at.get(`${xs[i + 1]} ${cell.y}`),
      above = at.get(`${cell.x} ${ys[j + 1]}`);
    if (right && right.fits !== cell.fits)
      segment(context, acrossX[i + 1], acrossY[j], acrossX[i + 1], acrossY[j + 1], "#fff", 2);
    if (above && above.fits !== cell.fits)
      segment(context, acrossX[i], acrossY[j + 1], acrossX[i + 1], acrossY[j + 1], "#fff", 2);
  }
  return marks;
}
