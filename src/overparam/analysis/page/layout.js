"use strict";
// Which swept key is what, as in the figures (analysis/layout.py): the axis, colours, panels, dashes. No line is an
// average over settings: keys that find no place are held at one value, and the page says so.

// `color` and `facet` are keys, or null to choose among `roles`.
function layOut(
  runs,
  x,
  keys,
  color = null,
  facet = null,
  roles = ["columns", "color", "rows", "dash"],
  mostRows = data.rules.rows,
) {
  const { rules } = data;
  const left = keys.filter((k) => ![x, color, facet].includes(k));
  const counts = Object.fromEntries([...left, color, facet].filter(Boolean).map((k) => [k, levels(k, runs).length]));
  const take = (key) => left.splice(left.indexOf(key), 1)[0];
  const rows = [],
    choosesColumns = roles.includes("columns") && facet === null;
  let columns = facet,
    dash = null;
  if (choosesColumns && left.includes(rules.noise) && counts[rules.noise] <= rules.panels) columns = take(rules.noise);
  const few = left.filter((k) => counts[k] <= rules.colors);
  // More values than there are colours become panels, if they can.
  if (roles.includes("color") && color === null && left.length && (few.length || !choosesColumns || columns))
    color = take(few[0] || left[0]);
  if (choosesColumns && columns === null && left.length)
    columns = take(left.find((k) => counts[k] <= rules.panels) || left[0]);
  const isWide = columns !== null && counts[columns] > rules.columns;
  if (roles.includes("rows") && !isWide)
    for (const key of [...left]) {
      if ([...rows, key].reduce((n, k) => n * counts[k], 1) <= mostRows) rows.push(take(key));
    }
  if (roles.includes("dash") && (x === STEP || data.sizes.includes(x) || isNumeric(x))) {
    // between names there are no lines to dash
    const lines = color ? Math.min(counts[color], rules.colors) : 1;
    dash = left.find((k) => counts[k] <= Math.min(rules.dashes, Math.floor(rules.lines / lines))) || null;
  }
  const kept = {};
  for (const key of left) if (key !== dash) kept[key] = [fullest(key, runs)];
  for (const [key, most] of [
    [color, rules.colors],
    [columns, rules.panels],
  ]) {
    if (key && counts[key] > most) kept[key] = evenlySpaced(levels(key, runs), most);
  }
  return { x, color, columns, rows, dash, kept, counts, isJoined: true };
}

// The layout of a figure over any column, as the figure of a view (analysis/views.py) has it.
function viewLayout(runs, x, color, facet, roles) {
  const keys = data.keys.filter((k) => levels(k, runs).length > 1),
    series = keys.filter((k) => k !== x);
  if (x === STEP || data.keys.includes(x)) return layOut(runs, x, series, color, facet, roles);
  const finished = runs.filter((i) => isFinished(i) && column(x)[i] !== null);
  const isScattered = groups([...keys, x], finished).length > groups(keys, finished).length; // it differs between seeds
  if (isScattered) {
    const others = roles.filter((role) => role !== "dash"); // of points
    return { ...layOut(finished, x, series, color, facet, others), isJoined: false };
  }
  const along = replacedKey(
    finished,
    keys.filter((k) => k !== color && k !== facet),
    x,
  );
  return layOut(
    finished,
    x,
    series.filter((k) => k !== along),
    color,
    facet,
    roles,
  );
}

// The numeric key along which a measured column changes, so that it may take the key's place as an axis.
function replacedKey(runs, keys, x) {
  return keys.find((key) => {
    const others = keys.filter((k) => k !== key);
    return isNumeric(key) && groups([...others, x], runs).length > groups(others, runs).length;
  });
}

function shownBy(layout, runs) {
  return Object.entries(layout.kept).reduce(
    (left, [key, values]) => left.filter((i) => values.includes(column(key)[i])),
    runs,
  );
}

function noteOf(layout) {
  return Object.entries(layout.kept)
    .map(([key, values]) =>
      values.length === 1
        ? `${legendText(key, values[0])} alone, of ${layout.counts[key]} values`
        : `${values.length} of ${layout.counts[key]} values of ${spoken(key)}`,
    )
    .join("; ");
}

// What each panel shows, in words, and its runs: row by row, and in it column by column.
function panelsOf(layout, runs) {
  if (!runs.length) return [{ texts: [], runs }];
  const columns = layout.columns ? levels(layout.columns, runs) : [null];
  return groups(layout.rows, runs).flatMap((row) =>
    columns.map((value) => {
      const own = layout.columns ? row.filter((i) => column(layout.columns)[i] === value) : row;
      const said = layout.rows.map((k) => legendText(k, column(k)[row[0]]));
      return { texts: [...(layout.columns ? [legendText(layout.columns, value)] : []), ...said], runs: own };
    }),
  );
}

// The value that most runs have; of several the last.
function fullest(key, runs) {
  const counts = levels(key, runs).map((v) => [v, runs.filter((i) => column(key)[i] === v).length]);
  return counts.reduce((best, next) => (next[1] >= best[1] ? next : best))[0];
}

function evenlySpaced(items, most) {
  if (items.length <= most) return items;
  const toEven = (v) => (v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v)); // as NumPy rounds
  return Array.from({ length: most }, (_, k) => items[toEven((k * (items.length - 1)) / (most - 1))]);
}
