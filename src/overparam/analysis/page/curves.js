"use strict";
// Curves over an axis, described: what the figures (analysis/figures.py) draw of the same runs. Names are never joined,
// no point is a mean over settings, and settings of which all runs failed are kept.

const DASHES = [[], [7, 4], [2, 3]];
const DASH_NAMES = ["solid", "dashed", "dotted"];

// What there is to draw of `runs`: panels of lines, what the legend says, and notes.
function describeCurves(runs, layout, parts, seedsSaid = seedsText) {
  const { x, color, dash } = layout;
  const drawn = shownBy(layout, runs);
  const finished = drawn.filter(isFinished);
  const places = x === STEP || data.sizes.includes(x) || isNumeric(x) ? null : levels(x, drawn);
  const hues = color ? levels(color, drawn) : [null];
  const dashes = dash ? levels(dash, drawn) : [null];
  // Filters change no colour, where all values have one.
  const known = color ? coded(color).values : [null];
  const colors = colorsOf(known.length <= data.rules.colors ? known : hues);
  const looks = hues.flatMap((hue, i) =>
    dashes.map((value, j) => ({ hue, dash: value, pattern: DASHES[j], place: i * dashes.length + j })),
  );
  const panels = panelsOf(layout, drawn).map(({ texts, runs: own }) => {
    const lines = looks.map((look) => ({
      ...look,
      color: colors.get(look.hue),
      runs: own.filter((i) => has(layout, look, i)),
    }));
    return {
      title: texts.join(", "),
      runs: own,
      lines: lines
        .filter((l) => l.runs.length)
        .map((l) => ({ ...l, ...measuredOf(l, layout, parts, places, looks.length) })),
    };
  });
  const lines = panels.flatMap((panel) => panel.lines);
  const onAxis =
    x === STEP
      ? lines.flatMap((l) => l.curves.flat().map((c) => c.x))
      : (finished.length ? finished : drawn).map((i) => column(x)[i]);
  const along = places ? [] : onAxis.filter((v) => v !== null);
  const [low, high] = places ? [-0.6, places.length - 0.4] : range(along);
  const beyond = lines.flatMap((l) => l.failed).filter((f) => !(f.x >= low && f.x <= high));
  const far = [...new Set(beyond.map((f) => f.value))].sort(ordered).map((v) => legendText(x, v));
  const keys = [x, ...layout.rows, color, layout.columns, dash].filter((k) => k && k !== STEP);
  const seeds = () => seedsSaid(keys, finished).split(x === STEP ? "," : "\n")[0]; // over steps runs are no dots
  const said = whatIsMissing(drawn, finished, x, along) || (layout.isJoined ? seeds() : "each point a run");
  const notes = [said, noteOf(layout), far.length ? `all runs failed at ${far.join(", ")}` : ""].filter(Boolean);
  const isJoined = !places && layout.isJoined;
  return { layout, parts, panels, lines, places, along, low, high, hues, dashes, colors, finished, notes, isJoined };
}

const has = ({ color, dash }, look, run) =>
  (!color || column(color)[run] === look.hue) && (!dash || column(dash)[run] === look.dash);

// What was measured along a line: a curve for each part, the theory's, the threshold, and where all runs failed.
function measuredOf({ runs, place }, { x }, parts, places, count) {
  // Names: side by side, not one over the other.
  const shift = places ? Math.min(0.12, 0.7 / count) * (place - (count - 1) / 2) : 0;
  const at = places ? (v) => places.indexOf(v) + shift : (v) => v;
  const done = runs.filter(isFinished);
  const curveOf = (y) => means(Array.from(measurements(done, x, y), ([v, ...rest]) => [at(v), ...rest]));
  const byX =
    x === STEP
      ? []
      : groups(
          [x],
          runs.filter((i) => column(x)[i] !== null),
        );
  const hasTheory = parts.includes("test_error") && x !== STEP && column(data.theory);
  const failed = byX.filter((same) => same.every(hasFailed));
  return {
    curves: parts.map(curveOf),
    theory: hasTheory ? curveOf(data.theory) : [],
    threshold: data.rules.thresholdAlong.includes(x) && !places ? thresholdOf(done, x) : null,
    failed: failed.map((same) => ({ x: at(column(x)[same[0]]), value: column(x)[same[0]], runs: same })),
  };
}

function whatIsMissing(drawn, finished, x, along) {
  if (!drawn.length) return "no run is shown";
  if (!finished.length) return "no run finished";
  return x === STEP && !along.length ? "not recorded during training" : "";
}

function seedsText(keys, runs) {
  const [low, high] = range(groups(keys, runs).map((g) => g.length));
  const many = low === high ? `${low}` : `${low} to ${high}`;
  if (high === 1) return "one seed";
  if (high < data.rules.seedsForABand) return `mean over ${many} seeds, each a dot`;
  const few = low < data.rules.seedsForABand ? `, below ${data.rules.seedsForABand} each a dot` : "";
  return `mean and 95% interval over ${many} seeds${few}`;
}

const meansText = (keys, runs) => seedsText(keys, runs).split(",")[0].replace(" and 95% interval", "");

// The smallest x from which on the training error stays small; along n the largest up to which it is.
function thresholdOf(runs, x) {
  const curve = means([...measurements(runs, x, "train_error")]);
  if (x === data.rules.samples) curve.reverse();
  const last = curve.findLastIndex((c) => c.mean > data.rules.epsilon);
  return last < 0 || last === curve.length - 1 ? null : curve[last + 1].x;
}

// What the legend says: the colour and the form of a mark, if it has them, and the text beside it.
function legendOf({ layout, lines, parts, hues, dashes, colors, finished, isJoined, low, high }) {
  const items = [],
    { color, dash } = layout;
  const shapes = isJoined ? DASH_NAMES : ["dot", "ring"];
  const said = (key, value) =>
    legendText(key, value) + (finished.some((i) => column(key)[i] === value) ? "" : " (failed)");
  if (color)
    for (const hue of hues)
      items.push({
        color: colors.get(hue),
        dash: shapes[0],
        said: said(color, hue),
      });
  if (dash) dashes.forEach((value, j) => items.push({ dash: DASH_NAMES[j], said: said(dash, value) }));
  if (parts.length > 1)
    parts.forEach((part, k) =>
      items.push({ dash: k && dash ? "thin" : shapes[k], color: color ? null : categorical(k), said: spoken(part) }),
    );
  if (lines.some((l) => l.threshold !== null))
    items.push({ dash: "upright", said: `interpolation threshold: train error ${data.rules.epsilon}` });
  if (lines.some((l) => l.theory.length)) items.push({ dash: "dash-dot", said: "theory" });
  if (lines.some((l) => l.failed.some((f) => f.x >= low && f.x <= high))) items.push({ said: "× all runs failed" });
  return items;
}
