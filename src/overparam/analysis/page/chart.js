"use strict";
// Axes and strokes on a canvas.

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  canvas.width = box.width * ratio; canvas.height = box.height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  return context;
}

function stroke(context, path, color, alpha, width, dash) {
  context.globalAlpha = alpha; context.strokeStyle = color; context.lineWidth = width; context.setLineDash(dash);
  context.beginPath();
  path.forEach(([a, b]) => context.lineTo(a, b));
  context.stroke();
  context.setLineDash([]);
}

function ticks(low, high, isLog) {
  if (isLog) {
    const all = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) for (const m of high / low < 1000 ? [1, 2, 5] : [1]) all.push(m * 10 ** e);
    return all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  }
  const raw = (high - low) / 6 || 1, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
  const all = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) all.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return all;
}

function axes(context, xs, ys, wantLogX, wantLogY, labelX, labelY, area = {}) {
  const canvas = context.canvas.getBoundingClientRect(), start = area.left || 0;
  const left = start + 62, right = start + (area.width || canvas.width) - 12, top = area.title ? 26 : 12, bottom = canvas.height - 44;
  const range = (values, isLog) => {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (!isLog || v > 0) { if (v < low) low = v; if (v > high) high = v; }
    if (!(low <= high)) [low, high] = isLog ? [0.1, 1] : [0, 1];
    return low === high ? (isLog ? [low / 2, high * 2] : [low - 0.5, high + 0.5]) : [low, high];
  };
  const [x0, x1] = range(xs, wantLogX);
  let [y0, y1] = range(ys, wantLogY);
  if (!wantLogY && y0 > 0) y0 = 0;
  if (!wantLogY) y1 += 0.03 * (y1 - y0);
  const place = (low, high, isLog, a, b, pad) => {
    const f = isLog ? (v) => Math.log(Math.max(v, low * 1e-3)) : (v) => v;
    return (v) => a + pad + ((f(v) - f(low)) / (f(high) - f(low))) * (b - a - 2 * pad);
  };
  const X = place(x0, x1, wantLogX, left, right, 10), Y = place(y0, y1, wantLogY, bottom, top, 0);
  context.globalAlpha = 1; context.fillStyle = "#333"; context.strokeStyle = "#e4e4e4"; context.lineWidth = 1;
  context.textAlign = "center"; context.textBaseline = "top";
  let edge = -Infinity;
  for (const [v, said] of area.marks || ticks(x0, x1, wantLogX).map((v) => [v, text(v)])) {
    stroke(context, [[X(v), top], [X(v), bottom]], "#eee", 1, 1, []);
    const half = context.measureText(said).width / 2 + 3;
    if (X(v) - half > edge) { context.fillText(said, X(v), bottom + 6); edge = X(v) + half; }
  }
  if (area.title) context.fillText(area.title, (left + right) / 2, 4);
  context.fillText(labelX, (left + right) / 2, bottom + 24);
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const v of ticks(y0, y1, wantLogY)) {
    stroke(context, [[left, Y(v)], [right, Y(v)]], "#eee", 1, 1, []);
    context.fillText(text(v), left - 6, Y(v));
  }
  stroke(context, [[left, top], [left, bottom], [right, bottom]], "#555", 1, 1, []);
  context.save(); context.translate(start + 14, (top + bottom) / 2); context.rotate(-Math.PI / 2); context.textAlign = "center"; context.fillText(labelY, 0, 0); context.restore();
  return { X, Y, left, right, top, bottom };
}
