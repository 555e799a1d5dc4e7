"use strict";
// The page of a sweep: no library, no network. Everything it shows is in the script element "data".

async function start() {
  await load();
  setTheme(stored() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  buildHeader();
  buildControls();
  for (const key of [...data.keys, "regime", "status"]) addFilter(key);
  $("filterbox").open = innerWidth >= 700;
  $("links").open = innerWidth >= 700 && innerHeight >= 800;
  buildTable();
  failures();
  compare();
  update();
  if (N === 1) toggle([0]);
  new ResizeObserver(redraw).observe($("charts"));
  document.body.dataset.ready = "yes";
}

function redraw() {
  draw();
  drawTraining();
  rows();
}

function stored() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  } // no storage for this page
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "light mode" : "dark mode";
}

function buildHeader() {
  $("title").textContent = text(data.title);
  const count = (status) => column("status").filter((s) => s === status).length;
  $("counts").textContent =
    [FINISHED, FAILED, "unfinished"].map((s) => `${count(s)} ${s}`).join(", ") + ` of ${counted(N, "run")}`;
  for (const command of data.commands) {
    const button = element("button", { textContent: "copy", onclick: () => copy(command, button) });
    $("commands").append(element("div", {}, element("code", { textContent: command }), button));
  }
  for (const [key, value] of Object.entries(data.shared))
    $("shared").append(element("dt", { textContent: text(key) }), element("dd", { textContent: text(value) }));
  for (const [group, links] of Object.entries(data.links)) {
    const anchors = links.map(([said, href]) =>
      element("a", { textContent: text(said), href, target: "_blank", rel: "noopener" }),
    );
    $("links").append(element("p", {}, element("b", { textContent: group }), ...anchors));
  }
  $("links").hidden = !Object.keys(data.links).length;
  $("theme").onclick = () => {
    const theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", theme);
    } catch {
      /* it holds until the page is left */
    }
    setTheme(theme);
    redraw();
    compare();
  };
}

function options(id, entries) {
  $(id).replaceChildren(
    ...entries.map(([value, said]) => element("option", { value, textContent: said ?? axisLabel(value) })),
  );
}

function buildControls() {
  const { noise } = data.rules,
    numbers = data.keys.filter(isNumeric),
    names = data.keys.filter((k) => !isNumeric(k));
  const along = [...numbers.filter((k) => k !== noise), ...numbers.filter((k) => k === noise), ...names];
  const sizes = data.sizes.filter((k) => !data.keys.includes(k));
  options(
    "x",
    (along.length ? [...along, ...sizes, STEP] : [STEP, ...sizes]).map((k) => [k]),
  ); // of a single setting there is only its training
  options(
    "y",
    [...data.pairs, ...data.quantities].map((k) => [k]),
  );
  options("color", [["auto", "automatic"], ["", "nothing"], ...data.keys.map((k) => [k]), ["regime"]]);
  options("facet", [["auto", "automatic"], ["", "nothing"], ...data.keys.map((k) => [k])]);
  options("heat", [["", "off"], ...numbers.map((k) => [k]), [STEP]]);
  suggestX();
  suggestY();
  const also =
    (...first) =>
    () => {
      for (const f of first) f();
      redraw();
    };
  for (const id of ["logx", "logy", "color", "facet", "heat", "dots"]) $(id).onchange = also();
  $("x").onchange = also(suggestX);
  $("y").onchange = also(suggestY);
  $("reset").onclick = showAll;
  $("clear").onclick = () => {
    chosen.clear();
    showChosen();
  };
  $("export").onclick = exportTable;
  $("typed").oninput = update;
  document.onkeydown = (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      $("typed").focus();
      event.preventDefault();
    }
    if (event.key === "Escape") {
      if (event.target === $("typed")) {
        $("typed").value = "";
        update();
      }
      tip("");
      document.activeElement.blur();
    }
  };
}

// Axes as the figures have them, until one is asked for.
function suggestX() {
  const x = $("x").value,
    values = x === STEP ? [1, 1000] : column(x).filter((v, i) => v !== null && isFinished(i));
  $("logx").checked =
    (x === STEP || isNumeric(x) || data.sizes.includes(x)) &&
    values.length > 0 &&
    (isLog(...range(values)) || linearPart(values) !== null);
}

function suggestY() {
  const parts = $("y").value.split(","),
    first = column(parts[0]).filter((v) => v !== null),
    most = range(parts.flatMap((p) => column(p)))[1];
  const low = range(first)[0],
    isRate = parts[0].endsWith("error") && most <= 1;
  $("logy").checked = low > 0 && most > 30 * low && !isRate;
}

// Failures by their reasons.
function failures() {
  const failed = all.filter(hasFailed);
  if (!failed.length) return;
  $("failures").append(element("h2", { textContent: counted(failed.length, "failed run") }));
  for (const own of groups(["reason"], failed)
    .sort((a, b) => b.length - a.length)
    .slice(0, 100)) {
    const names = own
      .slice(0, 12)
      .map((run) => element("button", { textContent: text(column("identity")[run]), onclick: () => toggle([run]) }));
    const rest = own.length > names.length ? [` and ${own.length - names.length} more; the table holds all`] : [];
    $("failures").append(
      element(
        "p",
        {},
        element("b", { textContent: `${own.length} × ` }),
        text(column("reason")[own[0]]),
        element("br"),
        ...names,
        ...rest,
      ),
    );
  }
}

start();
