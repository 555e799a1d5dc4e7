"use strict";
// Training over the steps: the sweep's lines, and beside them the curves of runs that were chosen or are pointed at.

let training = null;

// Error or loss, as in the figure, or the other if the figure has that already; a quantity that has steps itself.
function trainedParts() {
  const { x, parts } = view(),
    [first] = parts,
    known = data.steps.quantities;
  if (!/^(test|train)_/.test(first) && known[first] && x !== STEP) return [first];
  const kind = first.endsWith("loss") !== (x === STEP) ? "loss" : "error";
  return [`test_${kind}`, ...(known[`train_${kind}`] ? [`train_${kind}`] : [])];
}

// The lines of the sweep have a colour for each value of the first key; they step back behind runs that were chosen.
function drawTraining() {
  const runs = shown.filter(isKnown),
    parts = trainedParts(),
    key = data.keys.find((k) => levels(k, runs).length > 1) || null;
  const described = describeCurves(
    runs,
    viewLayout(runs, STEP, key, null, ["color", "dash"]),
    parts.slice(0, 1),
    meansText,
  );
  if (!training) {
    training = makePlot((mark) => sayMark(mark, [STEP]));
    $("training").append(training.node);
  }
  const context = prepare(training.base),
    kind = $("logy").checked ? "log" : "linear";
  const steps = stepsOf(described),
    vertical = trainedRange(described, parts, kind),
    [level, up] = spans(training.base);
  Object.assign(training, { parts, X: scale("log", steps, level), Y: scale(kind, vertical, up), marks: [] });
  const ticksX = roundTicks(...steps, "log").map((v) => [v, number(v)]),
    ticksY = roundTicks(...vertical, kind).map((v) => [v, number(v, 3)]);
  drawAxes(context, training.X, training.Y, { ticksX, ticksY, labelX: axisLabel(STEP), labelY: axisLabel(parts[0]) });
  clipped(context, () => described.lines.forEach((line) => drawMeans(context, line)));
  sayTraining(described, parts);
  drawTrained();
}

function stepsOf({ along, low, high }) {
  if (!along.length) return [1, 10];
  return low === high ? [low / 2, low * 2] : [low, high];
}

// Of the sweep's lines and the chosen runs.
function trainedRange(described, parts, kind) {
  const [low, high] = verticalRange(described, kind, false),
    isLogged = kind === "log";
  const own = chosenRuns().flatMap((run) => parts.flatMap((part) => Array.from(evaluations(run, part), (e) => e[1])));
  const [least, most] = range(own.filter((v) => v > 0 || !isLogged));
  if (!(least <= most)) return [low, high];
  return [Math.min(low, isLogged ? Math.max(least, low / 100) : least), Math.max(high, most)];
}

function drawMeans(context, { curves: [curve], color, pattern }) {
  const path = curve.map((c) => [training.X(c.x), training.Y(c.mean)]);
  if (chosen.size) stroke(context, path, css("--muted"), 1.2, pattern, 0.5);
  else stroke(context, path, color, 2, pattern);
  if (path.length === 1) disc(context, ...path[0], 3.5, color);
  curve.forEach((c, k) =>
    training.marks.push({ x: path[k][0], y: path[k][1], runs: c.runs, mean: c, part: training.parts[0] }),
  );
}

function sayTraining(described, parts) {
  const said = `${spoken(parts[0])} during training`,
    isAny = described.along.length > 0;
  const beside = ["grey: the sweep's means", ...(parts[1] ? [`dashed: ${spoken(parts[1])}`] : [])];
  $("trained").textContent = isAny
    ? [said, ...(chosen.size ? beside : described.notes)].join(" · ")
    : "No run that is shown recorded an evaluation.";
  $("trainedlegend").replaceChildren(...(isAny && !chosen.size ? legendNodes(legendOf(described)) : []));
  training.label(said);
}

// The curves of runs that were chosen or are pointed at.
function drawTrained() {
  const context = prepare(training.over),
    { X, Y, parts } = training;
  const pointed = hovered.filter((run) => !chosen.has(run)).slice(0, MOST_CHOSEN);
  const drawn = [...chosenRuns().map((run) => [run, chosenColor(run)]), ...pointed.map((run) => [run, css("--ink")])];
  const curve = (run, color) =>
    parts.forEach((part, k) => {
      const path = Array.from(evaluations(run, part), ([step, value]) => [X(step), Y(value)]);
      stroke(context, path, color, k ? 1.4 : hovered.includes(run) ? 3.2 : 2.2, DASHES[k]);
    });
  clipped(context, () => drawn.forEach(([run, color]) => curve(run, color)));
}
