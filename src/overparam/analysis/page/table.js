"use strict";
// The table of runs: only the rows in view exist, however many there are.

const ROW = 26;
let order = [],
  sortKey = null,
  sortDown = false,
  current = -1,
  drawnRows = "";

function buildTable() {
  const sample = evenlySpaced(all, 400);
  const widths = data.table.map((key, k) => {
    const longest = Math.max(spoken(key).length + 2, ...sample.map((i) => text(column(key)[i]).length));
    return k
      ? Math.max(52, Math.min(7.6 * longest + 20, 200))
      : Math.min(7.6 * longest + 20, innerWidth < 700 ? 150 : 360);
  });
  const total = widths.reduce((a, b) => a + b, 0),
    room = $("body").clientWidth - 20; // of a scroll bar
  // On a wide screen all columns are in view, what does not fit in them is cut.
  if (innerWidth >= 1600 && total > room) widths.forEach((w, k) => (widths[k] = Math.floor((w * room) / total)));
  $("columns").replaceChildren(
    ...widths.map((width) => {
      const col = element("col");
      col.style.width = `${width}px`;
      return col;
    }),
  );
  $("runs").style.minWidth = `${widths.reduce((a, b) => a + b, 0)}px`;
  $("head").replaceChildren(
    ...data.table.map((key) => {
      const button = element("button", { title: `${key}: sort`, onclick: () => sortBy(key) });
      return element(
        "th",
        { scope: "col", className: column(key).every((v) => v === null || typeof v === "number") ? "number" : "" },
        button,
      );
    }),
  );
  $("body").onscroll = () => {
    if (`${inView()}` !== drawnRows) rows();
  };
  $("body").onkeydown = walk;
  $("body").onmouseleave = () => hover([]);
}

function sortBy(key) {
  sortDown = sortKey === key && !sortDown;
  sortKey = key;
  sort();
}

function sort() {
  order = shown.slice();
  if (sortKey) {
    const { values, of } = coded(sortKey),
      sign = sortDown ? -1 : 1,
      none = values.indexOf(null);
    order.sort((a, b) => (of[a] === of[b] ? a - b : of[a] === none ? 1 : of[b] === none ? -1 : sign * (of[a] - of[b])));
  }
  current = Math.min(current, order.length - 1);
  [...$("head").children].forEach((cell, k) => {
    const isOwn = data.table[k] === sortKey;
    cell.firstChild.textContent = spoken(data.table[k]) + (isOwn ? (sortDown ? " ▼" : " ▲") : "");
    cell.setAttribute("aria-sort", isOwn ? (sortDown ? "descending" : "ascending") : "none");
  });
  rows();
}

// The first of the rows in view, and that after the last.
function inView() {
  const first = Math.max(0, Math.floor($("body").scrollTop / ROW) - 2);
  return [first, Math.min(order.length, first + Math.ceil($("body").clientHeight / ROW) + 5)];
}

function rows() {
  const [first, last] = inView();
  drawnRows = `${[first, last]}`;
  $("above").style.height = `${first * ROW}px`;
  $("below").style.height = `${(order.length - last) * ROW}px`;
  $("rows").replaceChildren(
    ...order.slice(first, last).map((run, k) => {
      const cells = data.table.map((key, j) =>
        element(j ? "td" : "th", {
          textContent: cellText(key, run),
          title: cellText(key, run),
          className: typeof column(key)[run] === "number" ? "number" : "",
        }),
      );
      const classes = [
        "row",
        hasFailed(run) && "failed",
        chosen.has(run) && "chosen",
        hovered.includes(run) && "hovered",
        first + k === current && "current",
      ];
      const row = element(
        "tr",
        {
          className: classes.filter(Boolean).join(" "),
          onclick: () => {
            current = order.indexOf(run);
            toggle([run]);
          },
          onmouseenter: () => hover([run]),
        },
        ...cells,
      );
      row.dataset.run = run;
      if (chosen.has(run)) row.firstChild.style.boxShadow = `inset 4px 0 ${chosenColor(run)}`;
      return row;
    }),
  );
}

// Arrow keys walk along the rows, Enter chooses, c copies the command.
function walk(event) {
  const page = Math.floor($("body").clientHeight / ROW) - 2;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -N, End: N }[event.key];
  if (step) {
    current = Math.max(0, Math.min(order.length - 1, current + step));
    const top = current * ROW,
      body = $("body"),
      room = body.clientHeight - 2 * ROW;
    if (top < body.scrollTop) body.scrollTop = top;
    if (top > body.scrollTop + room) body.scrollTop = top - room;
    rows();
    hover([order[current]]);
  } else if (order[current] !== undefined && (event.key === "Enter" || event.key === " ") && event.target === $("body"))
    toggle([order[current]]);
  else if (
    order[current] !== undefined &&
    event.key === "c" &&
    !event.ctrlKey &&
    !event.metaKey &&
    column("command")[order[current]]
  )
    copy(column("command")[order[current]], $("copied"));
  else return;
  event.preventDefault();
}

// A text as it may stand in a cell of a spreadsheet: as analysis/tables.py has it.
function cell(v) {
  let said = typeof v === "number" ? String(v) : text(v);
  if (typeof v === "string" && /^\s*[=+\-@]/.test(said) && !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(said))
    said = `'${said}`;
  return /[",\n\r]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said;
}

// The table as it is shown: its runs, in its order.
function csv() {
  const keys = [...data.table, "reason"];
  return [keys.map(cell), ...order.map((run) => keys.map((key) => cell(column(key)[run])))]
    .map((line) => `${line.join(",")}\n`)
    .join("");
}

function exportTable() {
  const href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  element("a", { href, download: `${data.title.replace(/[^\w.-]+/g, "_")}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}
