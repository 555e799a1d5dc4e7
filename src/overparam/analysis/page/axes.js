"use strict";
// Scales, ticks and strokes on a canvas.

const MARGIN = { left: 58, right: 14 };

// The room above and below the axes of a canvas: more where there is an axis above, or names are turned.
const head = (canvas) => canvas.head || 8;
const foot = (canvas) => canvas.foot || 44;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => css("--dark") === "1";

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1,
    { clientWidth, clientHeight } = canvas;
  canvas.width = clientWidth * ratio;
  canvas.height = clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  return context;
}

function stroke(context, path, color, width = 1, dash = [], alpha = 1) {
  context.globalAlpha = alpha;
  context.strokeStyle = color;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  for (const [a, b] of path) context.lineTo(a, b);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function segment(context, x0, y0, x1, y1, ...style) {
  stroke(
    context,
    [
      [x0, y0],
      [x1, y1],
    ],
    ...style,
  );
}

function disc(context, x, y, radius, fill, line) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  if (fill) {
    context.fillStyle = fill;
    context.fill();
  }
  if (line) {
    context.strokeStyle = line;
    context.lineWidth = 1.5;
    context.stroke();
  }
}

const isLog = (low, high) => low > 0 && high / low > 8;

// Below it a logarithmic axis of both signs is linear; null if an axis of these values needs no such thing.
function linearPart(values) {
  const sizes = values.filter((v) => v).map(Math.abs),
    [low, high] = range(sizes);
  return range(values)[0] <= 0 && sizes.length && high / low > 30 ? low : null;
}

// Places of values between two pixels. `kind` is "linear", "log" or "symlog", which is linear below `linear`.
function scale(kind, [low, high], [from, to], linear = 1) {
  const f = {
    linear: (v) => v,
    log: (v) => Math.log10(Math.max(v, 1e-30)),
    symlog: (v) => {
      const s = Math.abs(v) / linear;
      return Math.sign(v) * (s < 1 ? s / 2 : 0.5 + Math.log10(s));
    },
  }[kind];
  const start = f(low),
    span = f(high) - start || 1;
  return Object.assign((v) => from + ((f(v) - start) / span) * (to - from), { kind, low, high });
}

function roundTicks(low, high, kind) {
  if (kind === "log") {
    const found = [],
      factors = high / low < 1000 ? [1, 2, 5] : [1];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
      for (const m of factors) found.push(m * 10 ** e);
    return found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  }
  const raw = (high - low) / 6 || 1,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power,
    found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step)
    found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return found;
}

// Grid, ticks and names of both axes in the canvas of `context`; ticks are [place, text], those with room are written.
function drawAxes(context, X, Y, { ticksX, ticksY, labelX, labelY }) {
  const { clientWidth, clientHeight } = context.canvas,
    { left } = MARGIN,
    top = head(context.canvas);
  const right = clientWidth - MARGIN.right,
    bottom = clientHeight - foot(context.canvas);
  const [grid, ink, line] = [css("--grid"), css("--muted"), css("--axis")];
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "top";
  let edge = -Infinity;
  for (const [place, said] of ticksX) {
    const at = X(place),
      half = context.measureText(said).width / 2 + 4;
    if (context.canvas.foot) {
      // turned
      segment(context, at, top, at, bottom, grid);
      context.save();
      context.translate(at + 4, bottom + 6);
      context.rotate(-0.6);
      context.textAlign = "right";
      context.fillText(said, 0, 0);
      context.restore();
    } else if (at - half >= edge) {
      segment(context, at, top, at, bottom, grid);
      context.fillText(said, Math.min(at, clientWidth - half), bottom + 7);
      edge = at + half;
    }
  }
  context.fillText(labelX, (left + right) / 2, clientHeight - 18);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [place, said] of ticksY) {
    segment(context, left, Y(place), right, Y(place), grid);
    context.fillText(said, left - 7, Y(place));
  }
  stroke(
    context,
    [
      [left, top],
      [left, bottom],
      [right, bottom],
    ],
    line,
  );
  context.save();
  context.translate(13, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(labelY, 0, 0);
  context.restore();
}

// An axis above the panel: what stands at places of the one below. Where texts would touch, the later is left out.
function drawAxisAbove(context, X, ticks, label) {
  const top = head(context.canvas),
    { clientWidth } = context.canvas;
  context.fillStyle = css("--muted");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  let edge = -Infinity;
  for (const [place, said] of ticks) {
    const at = X(place),
      half = context.measureText(said).width / 2 + 4;
    if (at - half < edge) continue;
    segment(context, at, top, at, top - 4, css("--axis"));
    context.fillText(said, Math.min(at, clientWidth - half), top - 5);
    edge = at + half;
  }
  segment(context, MARGIN.left, top, clientWidth - MARGIN.right, top, css("--axis"));
  context.fillText(label, (MARGIN.left + clientWidth - MARGIN.right) / 2, top - 19);
}

function clipped(context, draw) {
  const { clientWidth, clientHeight } = context.canvas,
    { left, right } = MARGIN,
    top = head(context.canvas);
  context.save();
  context.beginPath();
  context.rect(left, top - 4, clientWidth - left - right + 6, clientHeight - top - foot(context.canvas) + 8);
  context.clip();
  draw();
  context.restore();
}

// The colour of a number between 0 and 1, as the figures'; on a dark ground without its darkest.
function sequential(t) {
  const at = (isDark() ? 0.3 + 0.7 * t : t) * (data.sequential.length - 1),
    low = Math.floor(at);
  const a = data.sequential[low],
    b = data.sequential[Math.min(low + 1, data.sequential.length - 1)];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (at - low))).join(",")})`;
}

function categorical(i) {
  const colors = isDark() ? data.paletteDark : data.palette;
  return colors[i % colors.length];
}

// A colour for each value: dark to light for more than three numbers, else apart.
function colorsOf(values) {
  const isOrdered = values.length > 3 && values.every((v) => typeof v === "number");
  return new Map(values.map((v, i) => [v, isOrdered ? sequential((0.88 * i) / (values.length - 1)) : categorical(i)]));
}
