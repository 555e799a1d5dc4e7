"use strict";
// Which runs are shown, in figure and table alike.

const MOST_BOXES = 14;
let shown = [],
  haystack = null;

function addFilter(key) {
  const { values } = coded(key);
  if (values.length < 2) return;
  const box = element("fieldset", {}, element("legend", { textContent: spoken(key) }));
  box.dataset.key = key;
  if (values.length <= MOST_BOXES) {
    for (const value of values) {
      const input = element("input", { type: "checkbox", checked: true, onchange: update });
      input.dataset.value = JSON.stringify(value);
      box.append(element("label", {}, input, ` ${valueText(value)}`));
    }
  } else if (values.every((v) => v === null || typeof v === "number")) {
    for (const side of ["from", "to"])
      box.append(element("input", { type: "number", step: "any", placeholder: side, name: side, oninput: update }));
  } else {
    box.append(element("input", { type: "search", placeholder: "contains", oninput: update }));
  }
  $("filters").append(box);
}

// Whether a run passes one filter's fields.
function testOf(box) {
  const inputs = [...box.querySelectorAll("input")],
    { values, of } = coded(box.dataset.key);
  let passes = () => true;
  if (inputs[0].type === "checkbox") {
    const allowed = new Set(inputs.filter((i) => i.checked).map((i) => JSON.parse(i.dataset.value)));
    passes = (v) => allowed.has(v);
  } else if (inputs[0].type === "number") {
    const [from, to] = inputs.map((i) => (i.value === "" ? null : +i.value));
    if (from !== null || to !== null)
      passes = (v) => v !== null && (from === null || v >= from) && (to === null || v <= to);
  } else if (inputs[0].value) passes = (v) => text(v).toLowerCase().includes(inputs[0].value.toLowerCase());
  const each = values.map(passes);
  return (run) => each[of[run]];
}

// What was typed, with comparisons in one piece: "label noise > 0" is label_noise>0.
function inPieces(typed) {
  const tight = typed.toLowerCase().replace(/\s*([<>=!]+)\s*/g, "$1");
  return data.table
    .map((key) => spoken(key).toLowerCase())
    .filter((said) => said.includes(" "))
    .reduce((left, said) => left.replaceAll(said, said.replaceAll(" ", "_")), tight);
}

// What was typed: words that a row must hold, and comparisons such as width>=16 or seed=0.
function typedTests(typed) {
  return inPieces(typed)
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => {
      const [, name, sign, value] = word.match(/^([^<>=!]+)(>=|<=|!=|=|<|>)(.+)$/) || [];
      const key =
        name &&
        data.table
          .concat("reason")
          .find((k) => [k, k.split(".").at(-1), spoken(k).replaceAll(" ", "_")].some((n) => n.toLowerCase() === name));
      if (!key) return (run) => haystackOf(run).includes(word);
      const asked = Number(value);
      return (run) => {
        const own = column(key)[run];
        if (sign === "=" || sign === "!=")
          return (typeof own === "number" ? own === asked : valueText(own).toLowerCase() === value) === (sign === "=");
        return (
          typeof own === "number" &&
          { ">": own > asked, "<": own < asked, ">=": own >= asked, "<=": own <= asked }[sign]
        );
      };
    });
}

function haystackOf(run) {
  if (!haystack) haystack = new Array(N);
  return (haystack[run] ??= [...data.table, "reason"]
    .map((k) => cellText(k, run))
    .join(" ")
    .toLowerCase());
}

function update() {
  const tests = [...[...$("filters").children].map(testOf), ...typedTests($("typed").value)];
  shown = all.filter((run) => tests.every((passes) => passes(run)));
  $("shown").textContent = `${shown.length} of ${counted(N, "run")} shown`;
  sort();
  draw();
  drawTraining();
}

function showAll() {
  for (const input of $("filters").querySelectorAll("input"))
    input.type === "checkbox" ? (input.checked = true) : (input.value = "");
  $("typed").value = "";
  update();
}
