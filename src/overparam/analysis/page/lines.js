"use strict";
// Curves over an axis, drawn: means with 95% bands, below three seeds each run as a dot, a cross where all runs failed.

const MOST_LARGE_DOTS = 2000;

// Up to so many points of a line are marked.
const isScattered = (curve) => curve.length <= data.rules.dots;

// The range of the vertical axis, for all panels alike.
function verticalRange({ lines, parts, finished, layout }, kind, withDots) {
  const first = lines.flatMap((l) => l.curves[0].map((c) => c.mean));
  const values = lines.flatMap((l) =>
    [...l.curves.flat(), ...l.theory].flatMap((c) => [c.mean - c.half, c.mean + c.half]),
  );
  const last = finished.map((i) => column(parts[0])[i]);
  if (withDots && layout.x !== STEP) values.push(...last);
  if (kind === "log") {
    const floor = range(first.filter((v) => v > 0))[0] * 0.05; // a training loss near zero would take the whole axis
    const [low, high] = range(values.filter((v) => v > 0));
    return low <= high ? [Math.max(low, floor) / 1.5, high * 1.3] : [0.1, 1];
  }
  const [low, high] = range(values);
  if (!(low <= high)) return [0, 1];
  const isRate = parts.every((p) => p.endsWith("error")) && range(last)[1] <= 1;
  const top = isRate ? Math.min(high, 1) : high;
  const bottom = range(first)[0] >= 0 ? 0 : low;
  return [bottom === 0 ? -0.02 * (top || 1) : bottom - 0.04 * (top - low || 1), top + 0.04 * (top - bottom) || 1];
}

// Draw a panel's lines; return its marks: what can be pointed at.
function drawCurves(context, described, panel, X, Y, withDots) {
  const marks = [];
  clipped(context, () => {
    for (const line of panel.lines) {
      described.parts.forEach((part, k) => drawPart(context, described, line, k, X, Y, withDots));
      described.parts.forEach((part, k) => marks.push(...marksOf(described, line, k, X, Y)));
      stroke(
        context,
        line.theory.map((c) => [X(c.x), Y(c.mean)]),
        line.color,
        1,
        [8, 3, 2, 3],
      );
      if (line.threshold !== null) drawThreshold(context, described, line, X(line.threshold));
      marks.push(...drawFailed(context, described, line, X));
    }
  });
  return marks;
}

// Draw the curve of a line's part: the first is solid and filled, a second dashed and hollow.
function drawPart(context, { layout, isJoined, finished, parts }, line, k, X, Y, withDots) {
  const curve = line.curves[k];
  const color = k && !layout.color ? categorical(k) : line.color;
  const crowded = finished.length > MOST_LARGE_DOTS,
    small = crowded ? 2.5 : 3.5;
  if (isJoined && curve.length > 1) {
    const dash = k && !layout.dash ? DASHES[1] : line.pattern;
    for (const part of stretches(curve, line.failed)) {
      for (const own of withIntervals(part)) (own.length > 1 ? band : bar)(context, own, color, X, Y);
      const path = part.map((c) => [X(c.x), Y(c.mean)]);
      stroke(context, path, color, k ? 1.2 : 2, dash);
    }
  } else for (const c of curve) bar(context, [c], color, X, Y);
  for (const c of curve) {
    const isFew = c.runs.length < data.rules.seedsForABand && isScattered(curve),
      isRun = c.runs.length === 1;
    if (layout.x !== STEP && !isRun && (isFew || (withDots && !k))) {
      context.globalAlpha = crowded ? 0.25 : 0.5;
      for (const run of c.runs) disc(context, X(c.x), Y(column(parts[k])[run]), small, color);
      context.globalAlpha = 1;
    }
    const isMarked = !isJoined || isScattered(curve),
      isShown = isRun && !k && layout.x !== STEP;
    if (isMarked || isShown)
      disc(
        context,
        X(c.x),
        Y(c.mean),
        isJoined && !(isRun && isMarked) ? small : 4.5,
        k ? css("--panel") : color,
        color,
      );
  }
}

// Nothing is joined over a place where all runs failed.
function stretches(curve, failed) {
  const cut = (c) => failed.filter((f) => f.x < c.x).length;
  return [...new Set(curve.map(cut))].map((n) => curve.filter((c) => cut(c) === n));
}

// The parts of a curve that have enough seeds for an interval: a band reaches no others.
function withIntervals(curve) {
  const parts = [[]];
  for (const c of curve) c.runs.length < data.rules.seedsForABand ? parts.push([]) : parts.at(-1).push(c);
  return parts.filter((part) => part.length);
}

function bar(context, [c], color, X, Y) {
  if (c.half) segment(context, X(c.x), Y(c.mean - c.half), X(c.x), Y(c.mean + c.half), color, 1.5);
}

function band(context, curve, color, X, Y) {
  context.fillStyle = color;
  context.globalAlpha = 0.18;
  context.beginPath();
  for (const c of curve) context.lineTo(X(c.x), Y(c.mean + c.half));
  for (const c of curve.toReversed()) context.lineTo(X(c.x), Y(c.mean - c.half));
  context.fill();
  context.globalAlpha = 1;
}

// The means, and of the first part the runs.
function marksOf({ layout, parts }, line, k, X, Y) {
  const part = parts[k];
  return line.curves[k].flatMap((c) => {
    const mean = { x: X(c.x), y: Y(c.mean), runs: c.runs, mean: c, part };
    if (layout.x === STEP || k || c.runs.length === 1) return [mean];
    return [mean, ...c.runs.map((run) => ({ x: mean.x, y: Y(column(part)[run]), runs: [run], part }))];
  });
}

// Dots of equal thresholds alternate.
function drawThreshold(context, { hues, layout }, line, at) {
  const count = Math.min(hues.length, 5),
    place = hues.indexOf(line.hue) % 5;
  const color = layout.color ? line.color : css("--muted");
  context.lineDashOffset = -3 * (count - place);
  segment(context, at, head(context.canvas), at, context.canvas.clientHeight - foot(context.canvas), color, 1.3, [
    1.5,
    3 * count - 1.5,
  ]);
  context.lineDashOffset = 0;
}

function drawFailed(context, { low, high }, line, X) {
  const y = context.canvas.clientHeight - foot(context.canvas) - 8 - 11 * (line.place % 8);
  return line.failed
    .filter((f) => f.x >= low && f.x <= high)
    .map(({ x, runs }) => {
      for (const side of [-1, 1]) segment(context, X(x) - 4, y - 4 * side, X(x) + 4, y + 4 * side, line.color, 2);
      return { x: X(x), y, runs };
    });
}
