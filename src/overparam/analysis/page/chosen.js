"use strict";
// The runs that were chosen or are pointed at, how they differ, and where they are.

const MOST_CHOSEN = 7;
const chosen = new Map(); // runs in the order of their choice, each with its place among the colours
let hovered = [];

const chosenRuns = () => [...chosen.keys()];
const chosenColor = (run) => categorical(chosen.get(run));

// Choose runs, or no longer if all of them were; the first chosen make room.
function toggle(runs) {
  const few = runs.slice(0, MOST_CHOSEN);
  if (few.every((run) => chosen.has(run))) few.forEach((run) => chosen.delete(run));
  else
    for (const run of few.filter((r) => !chosen.has(r))) {
      if (chosen.size === MOST_CHOSEN) chosen.delete(chosenRuns()[0]);
      const taken = new Set(chosen.values());
      chosen.set(
        run,
        [...Array(MOST_CHOSEN).keys()].find((place) => !taken.has(place)),
      );
    }
  showChosen();
}

function showChosen() {
  figure.plots.forEach(drawRings);
  drawTraining();
  compare();
  rows();
}

// Point at runs, wherever they are shown.
function hover(runs) {
  if (runs.length === hovered.length && runs.every((run, k) => run === hovered[k])) return;
  hovered = runs;
  figure.plots.forEach(drawRings);
  if (training) drawTrained();
  for (const row of $("rows").children) row.classList.toggle("hovered", hovered.includes(+row.dataset.run));
}

// The chosen runs side by side, what differs first.
function compare() {
  const runs = chosenRuns();
  $("hint").hidden = runs.length > 0;
  $("clear").hidden = !runs.length;
  const keys = [...new Set(["status", "reason", ...data.keys, "seed", ...data.table.filter((k) => k !== "identity")])];
  const known = keys.filter((k) => column(k) && runs.some((i) => cellText(k, i)));
  const isSame = (key) => runs.every((i) => column(key)[i] === column(key)[runs[0]]);
  const line = (key) => {
    const cells = runs.map((i) => element("td", { textContent: cellText(key, i) }));
    return element(
      "tr",
      { className: isSame(key) ? "same" : "" },
      element("th", { textContent: spoken(key) }),
      ...cells,
    );
  };
  const actions = runs.map((run) => element("td", {}, ...actionsOf(run)));
  const heads = [
    [element("th"), ...runs.map(headOf)],
    [element("th"), ...actions],
  ].map((cells) => element("tr", {}, ...cells));
  const lines = [...known.filter((k) => !isSame(k)), ...known.filter(isSame)].map(line);
  $("compare").replaceChildren(...(runs.length ? [...heads, ...lines] : []));
}

function headOf(run) {
  const name = text(column("identity")[run]),
    mark = element("i");
  const off = element("button", { textContent: "×", title: "choose no longer", onclick: () => toggle([run]) });
  mark.style.color = chosenColor(run);
  return element("th", { title: name }, mark, off, element("span", { textContent: name }));
}

// Its command to copy, and its folder beside the report's.
function actionsOf(run) {
  const command = column("command")[run],
    copied = element("button", {
      textContent: "copy command",
      title: command || "",
      onclick: () => copy(command, copied),
    });
  const folder = element("a", {
    textContent: "open folder",
    href: `../${encodeURIComponent(column("identity")[run])}/`,
    target: "_blank",
    rel: "noopener",
  });
  return [...(command ? [copied] : []), folder];
}

async function copy(said, button) {
  try {
    await navigator.clipboard.writeText(said);
  } catch {
    // a page that came over plain http, or a browser that asks
    const area = element("textarea", { value: said });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.dataset.said ??= button.textContent; // else it stays "copied" if that is asked for again at once
  button.textContent = "copied";
  setTimeout(() => {
    button.textContent = button.dataset.said;
  }, 1200);
}
