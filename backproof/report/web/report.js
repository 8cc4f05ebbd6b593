"use strict";
// Shows on demand what travels compressed in the page: a cell's links, a drawing's other columns.

let loaded;
const data = () => (loaded ??= unpack(document.getElementById("data").textContent));

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const SIGNS = {
  agrees: "✓", inside: "✓", known: "◆", degraded: "◆", undecided: "?", refuted: "✗", "not run": "!", unsupported: "-",
};

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text; // never markup: names come from others
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function table(head, rows, caption) {
  const found = make("table", "", { class: "stack" });
  found.append(make("caption", caption, { class: "muted" }));
  const line = found.createTHead().insertRow();
  for (const name of head) line.append(make("th", name, { scope: "col" }));
  const body = found.createTBody();
  for (const [name, verdict, ...values] of rows) {
    const row = body.insertRow();
    row.append(make("th", name, { scope: "row" }));
    const [, second, ...labels] = head;
    row.append(make("td", `${SIGNS[verdict]} ${verdict}`, { class: verdict.replace(" ", "-"), "data-label": second }));
    values.forEach((value, n) => row.append(make("td", value ?? "", { "data-label": labels[n] })));
  }
  const box = make("div", "", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption });
  box.append(found);
  return box;
}

const digits = (value) => (value === null ? "" : (Math.floor(value * 10) / 10).toFixed(1));
const share = (value) => (value === null ? "∞" : value < 10 ? value.toFixed(3) : value.toExponential(1));

const proof = (value) => (typeof value === "number" ? value.toFixed(1) : value);

function links(cell) {
  const row = ([name, verdict, used, proven, entries, seen, said]) => [
    name, verdict, share(used), proof(proven), entries.toLocaleString("en"), said ?? seen,
  ];
  const order = ["refuted", "degraded", "undecided", "inside"];
  const own = cell.chain.slice(0, cell.links).map(row);
  own.sort((a, b) => order.indexOf(a[1]) - order.indexOf(b[1]));
  const first = cell.chain.find(([, verdict]) => verdict === "refuted");
  const parts = [`${cell.inside} of ${cell.links} links inside`];
  if (cell.undecided) parts.push(`${cell.undecided} undecided`);
  if (first) parts.push(`first refuted: ${first[0]}`);
  if (cell.proven !== null) parts.push(`${digits(cell.proven)} digits proven or more (the fewest: ${cell.fewest})`);
  if (cell.end_to_end) parts.push(`${cell.decided} of ${cell.end_to_end} decided end to end, in the last rows`);
  const head = ["link", "verdict", "share of ball", "digits proven", "numbers", "worst entry"];
  return table(head, [...own, ...cell.chain.slice(cell.links).map(row)], parts.join("; "));
}

function about(cell) {
  const parts = [];
  const agreed = cell.digits === null ? "" : `, ${digits(cell.digits)} digits of agreement`;
  const text = `${SIGNS[cell.verdict]} ${cell.verdict}, seed ${cell.iteration}${agreed}, version ${cell.version}`;
  parts.push(make("p", text));
  for (const one of cell.known) parts.push(make("p", `◆ known: ${one}`));
  for (const one of cell.properties) parts.push(make("p", `property: ${one}`));
  if (cell.message) parts.push(make("pre", cell.message, { tabindex: 0 }));
  if (cell.chain.length) parts.push(links(cell));
  return parts;
}

function compared(cells) {
  const rows = cells.map((c) => [
    c.quantity, c.verdict, c.iteration, c.against, c.value ?? "", digits(c.digits), c.message ?? "",
  ]);
  const head = ["quantity", "verdict", "iteration", "against", "value", "digits", ""];
  return table(head, rows, `${cells.length} numbers`);
}

const dialog = document.getElementById("cell");

async function open() {
  const [, number] = /^#c(\d+)$/.exec(location.hash) ?? [];
  if (number === undefined) return dialog.close();
  const { cells, entries } = await data();
  const own = entries[number]?.map((n) => cells[n]);
  if (!own) return;
  const [{ adapter, precision, group, network, against, chain }] = own;
  const certified = own.some((c) => c.against === "its own numbers");
  const whose = group === "pairs" ? `${adapter} and ${against}` : adapter;
  dialog.querySelector("h2").textContent = `${certified ? network : group}: ${whose}, ${precision}`;
  dialog.querySelector("div").replaceChildren(...(certified ? own.flatMap(about) : [compared(own)]));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("h2").focus();
}

addEventListener("hashchange", open);
dialog.addEventListener("close", () => {
  const number = location.hash.slice(2);
  if (!location.hash.startsWith("#c")) return;
  history.replaceState(null, "", location.href.split("#")[0]);
  document.getElementById(`at-${number}`)?.focus();
});
if (location.hash.startsWith("#c")) open();

for (const choice of document.querySelectorAll("select[data-drawing]")) {
  choice.addEventListener("change", async () => {
    const { columns, first } = (await data()).drawings[choice.dataset.drawing];
    const svg = choice.closest("p").nextElementSibling;
    for (const at of svg.querySelectorAll("[data-key]")) {
      const [text, verdict] = columns[choice.value][at.dataset.key] ?? ["", ""];
      const sign = { refuted: "✗ ", undecided: "? ", degraded: "◆ " }[verdict] ?? "";
      const mark = first[choice.value] === at.dataset.key ? ` ← first ${verdict}` : "";
      at.textContent = sign + text + mark;
      at.setAttribute("class", verdict.replace(" ", "-"));
    }
  });
}

// One tab stop per table; arrow keys move inside it.
for (const one of document.querySelectorAll(".matrix")) {
  const rows = [...one.tBodies[0].rows];
  [...one.querySelectorAll("td a")].slice(1).forEach((a) => { a.tabIndex = -1; });
  one.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    let [y, x] = [rows.indexOf(cell.parentNode), cell.cellIndex];
    for (let next; (next = rows[(y += step[0])]?.cells[(x += step[1])]); ) {
      const link = !rows[y].hidden && next.querySelector("a");
      if (!link) continue;
      event.target.tabIndex = -1;
      link.tabIndex = 0;
      link.focus();
      return;
    }
  });
}

const filter = document.getElementById("filter");
filter?.addEventListener("submit", (event) => event.preventDefault());
filter?.addEventListener("input", () => {
  const { value } = filter.querySelector("[type=search]");
  const wanted = [...filter.querySelectorAll(":checked")].map((one) => `.${one.value}`).join() || "none";
  for (const row of document.querySelectorAll(".matrix tbody tr")) {
    row.hidden = !row.cells[0].textContent.includes(value) || !row.querySelector(wanted);
  }
});

for (const button of document.querySelectorAll(".copy")) {
  const shown = button.parentElement.firstElementChild;
  button.hidden = false;
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(shown); // by hand, where the browser refuses
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = "Copied";
  });
}
