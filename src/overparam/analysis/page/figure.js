"use strict";
// The figure: a quantity over an axis, or over two.

const NARROWEST = 230; // pixels of a panel
let figure = null; // what is drawn: a description, its scales and its plots

// What is asked for.
function view() {
  const value = (id) => $(id).value,
    chosenKey = (id) => (value(id) === "auto" ? "" : value(id));
  const [x, color, facet] = [value("x"), chosenKey("color"), chosenKey("facet")];
  const onePanel = value("facet") === "";
  const without = { color: value("color") === "", columns: onePanel, rows: onePanel };
  return {
    x,
    parts: value("y").split(","),
    second: value("heat") === x ? "" : value("heat"),
    roles: ["columns", "color", "rows", "dash"].filter((role) => !without[role]),
    color: color && color !== x ? color : null,
    facet: facet && ![x, color].includes(facet) ? facet : null,
    logX: $("logx").checked,
    logY: $("logy").checked,
    withDots: $("dots").checked,
  };
}

const canBeHeat = ({ x, second }) => second !== "" && (isNumeric(x) || x === STEP || data.sizes.includes(x));

function draw() {
  const now = view(),
    isHeat = canBeHeat(now),
    described = describeView(now, shown.filter(isKnown));
  const plots = described.panels.map(() => makePlot((mark) => sayMark(mark, [now.x, isHeat ? now.second : ""])));
  const across = placePanels(described, plots);
  figure = { described, plots, isHeat, X: null, Y: null };
  (isHeat ? drawHeatPanels : drawCurvePanels)(described, plots, now, across);
  const said = `${axisLabel(now.parts[0])} over ${axisLabel(now.x)}; arrow keys walk along it, Enter chooses`;
  plots.forEach((plot, k) => plot.label(`${described.panels[k].title} ${said}`));
  plots.forEach(drawRings);
  const refused = now.second && !isHeat ? [`a heat map needs numbers along x, and not ${axisLabel(now.x)}`] : [];
  $("notes").textContent = [...described.notes, ...refused].join(" · ");
}

function describeView(now, runs) {
  const { x, second, color, facet, roles, parts } = now;
  if (!canBeHeat(now)) return describeCurves(runs, viewLayout(runs, x, color, facet, roles), parts);
  const keys = data.keys.filter((k) => ![x, second].includes(k) && levels(k, runs).length > 1);
  const heatRoles = roles.filter((role) => role === "columns" || role === "rows");
  return describeHeat(runs, layOut(runs, x, keys, null, facet === second ? null : facet, heatRoles), second, parts[0]);
}

// Put the panels into the page; return how many are side by side.
function placePanels({ panels, layout }, plots) {
  const inRows = layout.rows.length > 0 && layout.columns !== null;
  const wanted = inRows
    ? levels(
        layout.columns,
        panels.flatMap((p) => p.runs),
      ).length
    : Math.min(panels.length, 4);
  const across = Math.max(1, Math.min(wanted, Math.floor($("chart").clientWidth / NARROWEST)));
  const rows = Math.ceil(panels.length / across);
  $("chart").style.setProperty("--across", across);
  $("chart").style.setProperty(
    "--height",
    rows === 1 ? "clamp(320px, 54vh, 680px)" : `max(220px, ${Math.round(64 / rows)}vh)`,
  );
  const boxes = panels.map(({ title }, k) => {
    const head = element("h3", { textContent: title, title, hidden: panels.length === 1 && !title });
    return element("div", { className: "panel" }, head, plots[k].node);
  });
  $("chart").replaceChildren(...boxes);
  return across;
}

// Where a canvas is drawn in: from left to right, and from bottom to top.
function spans(canvas) {
  return [
    [MARGIN.left + 10, canvas.clientWidth - MARGIN.right - 8],
    [canvas.clientHeight - foot(canvas), head(canvas)],
  ];
}

// The kind of scale that values get if a logarithmic one is wanted.
function kindOf(values, wanted) {
  return !wanted ? "linear" : range(values)[0] > 0 ? "log" : "symlog";
}

function smallest(values) {
  return range(values.filter((v) => v).map(Math.abs))[0] || 1;
}

// Ticks of an axis: the values that were swept, or round numbers.
function ticksOf(key, values, kind) {
  const own = [...new Set(values)].sort((a, b) => a - b);
  const areThose = data.keys.includes(key) && (own.length <= data.rules.dots || kind === "symlog");
  const places = own.length <= 1 || areThose ? own : roundTicks(...range(own), kind === "symlog" ? "linear" : kind);
  return places.map((v) => [v, number(v)]);
}

// P/n at each width, as the figures have it above: nothing where a width has several.
function sizesAlong(runs) {
  const same = groups([data.rules.width, "params_per_sample"], runs),
    widths = new Set(same.map(([run]) => column(data.rules.width)[run]));
  if (same.length !== widths.size) return [];
  return same.map(([run]) => [column(data.rules.width)[run], number(column("params_per_sample")[run], 2)]);
}

// Ticks of an axis of names, shortened to their room, or turned where that would leave nothing to read.
function nameTicks(places, width) {
  const room = Math.floor(((width - 90) / places.length - 12) / 7.2),
    said = places.map(valueText);
  const isTurned = room < Math.min(12, ...[Math.max(...said.map((s) => s.length))]);
  return { isTurned, ticksX: said.map((s, i) => [i, shortened(s, isTurned ? 14 : room)]) };
}

function drawCurvePanels(described, plots, now, across) {
  const { places, along, panels, layout, lines, low, high } = described,
    x = layout.x;
  const kindX = places ? "linear" : kindOf(along, now.logX);
  const isEmpty = !places && !along.length;
  const limits = isEmpty ? [0.5, 1.5] : low === high ? [low - 0.5, high + 0.5] : [low, high];
  const isMeasured = lines.some((l) => l.curves.flat().length),
    isAbove = lines.some((l) => l.curves.flat().some((c) => c.mean > 0));
  const kindY = now.logY && isAbove ? "log" : "linear",
    vertical = verticalRange(described, kindY, now.withDots);
  const ticksY = isMeasured ? roundTicks(...vertical, kindY).map((v) => [v, number(v, 3)]) : [];
  const { isTurned, ticksX } = places
    ? nameTicks(places, plots[0].node.clientWidth)
    : { ticksX: ticksOf(x, along, kindX) };
  const labelY = now.parts.length > 1 ? spoken(now.parts.join(",")) : axisLabel(now.parts[0]);
  const above = panels.map(({ runs }) => (x === data.rules.width && !places ? sizesAlong(runs.filter(isFinished)) : []));
  plots.forEach((plot, k) => {
    if (isTurned) plot.base.foot = 96;
    if (above.some((ticks) => ticks.length)) plot.base.head = 36;
    const context = prepare(plot.base),
      [level, up] = spans(plot.base);
    const X = scale(limits[0] > 0 || kindX !== "log" ? kindX : "linear", limits, level, smallest(along)),
      Y = scale(kindY, vertical, up);
    drawAxes(context, X, Y, { ticksX, ticksY, labelX: axisLabel(x), labelY: k % across ? "" : labelY });
    if (above[k].length) drawAxisAbove(context, X, above[k], axisLabel("params_per_sample"));
    plot.marks = drawCurves(context, described, panels[k], X, Y, now.withDots);
    Object.assign(figure, { X, Y, above });
  });
  $("legend").replaceChildren(...legendNodes(legendOf(described)));
}

function drawHeatPanels(described, plots, now) {
  const { layout, second, xs, ys, shades, part } = described;
  if (!xs.length) {
    plots.forEach((plot) => prepare(plot.base));
    $("legend").replaceChildren();
    return;
  }
  const { limits, isCut, colorOf } = shading(shades, [layout.x, second].includes(STEP), now.logY);
  const kindX = kindOf(xs, now.logX),
    kindY = kindOf(ys, isLog(...range(ys)) || linearPart(ys) !== null);
  plots.forEach((plot, k) => {
    const context = prepare(plot.base),
      { clientWidth, clientHeight } = plot.base;
    const X = cellScale(xs, kindX, [MARGIN.left, clientWidth - MARGIN.right], smallest(xs));
    const Y = cellScale(ys, kindY, [clientHeight - foot(plot.base), head(plot.base)], smallest(ys));
    const ticksY = spacedDown(ticksOf(second, ys, kindY), Y);
    drawAxes(context, X, Y, {
      ticksX: ticksOf(layout.x, xs, kindX),
      ticksY,
      labelX: axisLabel(layout.x),
      labelY: axisLabel(second),
    });
    plot.marks = drawHeat(context, described, described.panels[k], X, Y, colorOf);
    Object.assign(figure, { X, Y });
  });
  const bar = element("i", { className: "bar" });
  bar.style.background = `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(sequential).join(",")})`;
  const [low, high] = limits.map((v) => number(v, 3));
  const crossing = element("span", { textContent: `white: where the mean train error crosses ${data.rules.epsilon}` });
  $("legend").replaceChildren(
    element("span", {}, `${axisLabel(part)} ${low} `, bar, ` ${high}${isCut ? " or more" : ""}`),
    crossing,
  );
}

function legendNodes(items) {
  return items.map(({ color, dash, said }) => {
    const mark = element("i", { className: dash || "" });
    if (color) mark.style.color = color;
    return element("span", {}, ...(color || dash ? [mark] : []), said);
  });
}
