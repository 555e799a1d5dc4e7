"use strict";
// A place to draw in, with what can be pointed at, by mouse, finger or keyboard.

// A canvas with another over it for what is pointed at. `says(mark)` is the text of a tip.
function makePlot(says) {
  const base = element("canvas"),
    over = element("canvas");
  const node = element("div", { className: "plot", tabIndex: 0 }, base, over);
  const plot = {
    node,
    base,
    over,
    marks: [],
    label: (said) => {
      node.setAttribute("role", "img");
      node.setAttribute("aria-label", said);
    },
  };
  let walked = -1;
  const point = (mark, left, top) => {
    hover(mark ? mark.runs : []);
    tip(mark ? says(mark) : "", left, top);
  };
  const found = (event) => {
    const box = node.getBoundingClientRect();
    return nearest(plot.marks, event.clientX - box.left, event.clientY - box.top);
  };
  node.onmousemove = (event) => point(found(event), event.clientX, event.clientY);
  node.onmouseleave = () => point(null);
  node.onblur = () => point(null);
  node.onclick = (event) => {
    const mark = found(event);
    if (mark) toggle(mark.runs);
  };
  node.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key],
      along = [...plot.marks].sort((a, b) => a.x - b.x || a.y - b.y);
    if (!along.length) return;
    if (step) {
      walked = walked < 0 ? (step > 0 ? 0 : along.length - 1) : (walked + step + along.length) % along.length;
      const mark = along[walked],
        box = node.getBoundingClientRect();
      point(mark, box.left + mark.x, box.top + mark.y);
    } else if ((event.key === "Enter" || event.key === " ") && along[walked]) toggle(along[walked].runs);
    else return;
    event.preventDefault();
  };
  return plot;
}

// The mark under a pixel, or the nearest within reach; of equal ones that of fewest runs.
function nearest(marks, x, y) {
  let best = null,
    least = 22 * 22;
  for (const mark of marks) {
    if (mark.box) {
      const [left, top, width, height] = mark.box;
      if (x >= left && x <= left + width && y >= top && y <= top + height) return mark;
      continue;
    }
    const far = (mark.x - x) ** 2 + (mark.y - y) ** 2;
    if (far < least || (far === least && best && mark.runs.length < best.runs.length)) {
      least = far;
      best = mark;
    }
  }
  return best;
}

function tip(said, left, top) {
  const node = $("tip");
  node.hidden = !said;
  if (!said) return;
  node.textContent = said;
  node.style.left = `${Math.max(4, Math.min(left + 16, innerWidth - node.offsetWidth - 8))}px`;
  node.style.top = `${top + 16 + node.offsetHeight > innerHeight ? Math.max(4, top - node.offsetHeight - 12) : top + 16}px`;
}

// Rings around the runs that are pointed at and those that were chosen.
function drawRings(plot) {
  const context = prepare(plot.over),
    rings = [
      ...chosenRuns().map((run) => [run, chosenColor(run)]),
      ...hovered.slice(0, 50).map((run) => [run, css("--ink")]),
    ];
  for (const [run, color] of rings) {
    const own = plot.marks.filter((m) => m.runs.includes(run)),
      fewest = Math.min(...own.map((m) => m.runs.length));
    for (const mark of own.filter((m) => m.runs.length === fewest)) {
      if (!mark.box) {
        disc(context, mark.x, mark.y, 8, null, color);
        continue;
      }
      context.strokeStyle = color;
      context.lineWidth = 3;
      context.strokeRect(...mark.box);
    }
  }
}

// A run in words.
function describe(run) {
  const keys = [...data.keys, "seed", "status", "regime", "params_per_sample", "train_error", "test_error", "reason"];
  const known = [...new Set(keys)].filter((k) => column(k) && cellText(k, run));
  return [text(column("identity")[run]), ...known.map((k) => `${spoken(k)}: ${cellText(k, run)}`)].join("\n");
}

// A mark in words: a run, or the mean of some.
function sayMark({ runs, mean, part }, along) {
  if (runs.length === 1 && along.every((k) => k !== STEP)) return describe(runs[0]);
  const same = data.keys.filter((k) => runs.every((i) => column(k)[i] === column(k)[runs[0]]));
  const lines = same.map((k) => `${spoken(k)}: ${valueText(column(k)[runs[0]])}`);
  if (along[0] === STEP && mean) lines.push(`step ${mean.x}`);
  if (along[1] === STEP && mean) lines.push(`step ${mean.y}`);
  if (mean) lines.push(`${spoken(part)}: ${number(mean.mean)}${mean.half ? ` ± ${number(mean.half, 2)}` : ""}`);
  return [runs.length === 1 ? text(column("identity")[runs[0]]) : `${runs.length} runs`, ...lines].join("\n");
}
