// Elements made of plain values.  Text only ever becomes text: nothing here, or anywhere on the page, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export const el = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);

export const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const root = document.documentElement.dataset.root;

export const link = (path, ...children) => el("a", { href: root + path }, ...children);

export const jobPath = (job) => `/jobs/${encodeURIComponent(job)}`;

export const nightPath = (job, partition) => `${jobPath(job)}/nights/${encodeURIComponent(partition)}`;

// A link out of the page.  The frame may neither move the window that it is in nor open another; that window's own links may.
function linkOut(attributes, ...children) {
  const follow = (event) => {
    if (window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const outside = Object.assign(window.parent.document.createElement("a"), attributes);
    window.parent.document.body.append(outside);
    outside.click();
    outside.remove();
  };
  return el("a", { ...attributes, onclick: follow }, ...children);
}

export const airflowLink = (path, ...children) => linkOut({ href: root.replace(/\/nightjar$/, "") + path }, ...children);

// A link only of what is an address of the web: the name of a file, or a script, is none.
export const webLink = (address, ...children) =>
  /^https?:\/\//.test(address) ? linkOut({ href: address, target: "_blank", rel: "noopener noreferrer" }, ...children) : null;

export class Refused extends Error {}

export async function load(path) {
  const answer = await fetch(`${root}/api${path}`, { credentials: "same-origin" });
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  const said = found.problem ?? (typeof found.detail === "string" ? found.detail : `the server answered ${answer.status}`);
  throw new Refused([said, found.found, found.next_step].filter(Boolean).join(" — "));
}

export const announce = (text) => (document.getElementById("announcement").textContent = text);

// A table: rows are lists of cells; columns are [title, class] pairs.  On a narrow screen it scrolls by itself.
export function table(caption, columns, rows) {
  const head = columns.map(([title, kind]) => el("th", { scope: "col", class: kind }, title));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, place) => el(place ? "td" : "th", { class: columns[place][1], scope: place ? null : "row" }, cell ?? "–"))),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)),
  );
}

// Something that is made when it is opened for the first time.
export function disclosure(summary, make) {
  const details = el("details", {}, el("summary", {}, summary));
  details.addEventListener("toggle", () => details.children.length === 1 && details.append(make()));
  return details;
}
