// Charts over nights as SVG.  A chart is one stop of the keyboard: arrows go from night to night, Enter opens one; a
// screen reader is told what a slider would tell it.  The numbers are in a table below.

import { disclosure, el, svg, table } from "./dom.js";
import { MARKS, describeSide, measure, scaleFor, usual, weekday } from "./words.js";

const HEIGHT = 132;
const EDGE = { left: 50, right: 10, top: 16, bottom: 20 };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * One signal over nights, with the band of what is usual.
 *
 * data: partitions, values, lower, upper, breached and muted (by place), worst (by place), unit; further lines as
 * others, each [name, values]; episodes, [from, to, severity] places; marks, [place, kind, what]; open(place).
 */
export function nightChart(title, data) {
  const box = el("div", {
    class: "plot", role: "slider", tabindex: "0", "aria-label": `${title}, by night`, "aria-orientation": "horizontal",
    "aria-valuemin": 0, "aria-valuemax": Math.max(data.partitions.length - 1, 0),
  });
  const tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const last = data.values.findLastIndex((value) => value !== null);
  const state = { place: last < 0 ? data.partitions.length - 1 : last, cursor: null, scale: null };

  const draw = () => {
    const width = Math.max(box.clientWidth, 200);
    state.scale = scaleOf(data, width);
    state.cursor = svg("g", { class: "cursor", visibility: "hidden" }, svg("line", { y1: EDGE.top, y2: HEIGHT - EDGE.bottom }), svg("circle", { r: 4 }));
    box.replaceChildren(
      svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
        episodes(data, state.scale), axes(data, state.scale, width), band(data, state.scale), marks(data, state.scale), lines(data, state.scale), state.cursor),
      tip,
    );
  };
  const point = (place, shown = true) => {
    state.place = Math.min(Math.max(place, 0), data.partitions.length - 1);
    box.setAttribute("aria-valuenow", state.place);
    box.setAttribute("aria-valuetext", describe(data, state.place).join(", "));
    if (!shown || state.cursor === null) return;
    const { x, y } = state.scale;
    const value = data.values[state.place];
    state.cursor.setAttribute("visibility", "visible");
    state.cursor.setAttribute("transform", `translate(${x(state.place)} 0)`);
    state.cursor.lastChild.setAttribute("visibility", value === null ? "hidden" : "inherit");
    if (value !== null) state.cursor.lastChild.setAttribute("cy", y(value));
    tip.replaceChildren(...describe(data, state.place).map((line, first) => el(first ? "span" : "strong", {}, line)));
    tip.hidden = false;
    tip.style.left = `${Math.min(Math.max(x(state.place) - tip.offsetWidth / 2, 0), box.clientWidth - tip.offsetWidth)}px`;
  };
  const leave = () => {
    tip.hidden = true;
    state.cursor?.setAttribute("visibility", "hidden");
  };
  box.addEventListener("pointermove", (event) => point(Math.round(state.scale.place(event.clientX - box.getBoundingClientRect().left))));
  box.addEventListener("pointerleave", leave);
  box.addEventListener("click", () => data.open?.(state.place));
  box.addEventListener("focus", () => box.matches(":focus-visible") && point(state.place));
  box.addEventListener("blur", leave);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter") data.open?.(state.place);
    else if (event.key === "Escape") leave();
    else if (step) point(state.place + step);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(box);
  point(state.place, false);
  return el("figure", { class: "chart" }, caption(title, data, last), box, disclosure("Numbers", () => numbers(title, data)));
}

function caption(title, data, last) {
  const isOut = data.breached?.has(last);
  const muted = data.muted?.[last];
  const value = last < 0 ? null : data.values[last];
  return el("figcaption", {},
    el("span", { class: "name" }, title),
    el("span", { class: isOut ? "value bad" : "value" }, isOut ? "▲ " : "", measure(value, data.unit)),
    el("span", { class: "quiet" }, muted ? `muted: ${muted}` : data.upper || data.lower ? `usual: ${usual(data.lower?.[last], data.upper?.[last], data.unit)}` : (data.note ?? "")),
  );
}

function describe(data, place) {
  const { values, lower, upper, unit, partitions } = data;
  if (!partitions.length) return ["no night"];
  const value = values[place];
  const said = [`${weekday(partitions[place])} ${partitions[place]}`];
  said.push(value === null ? "not measured" : (data.name ? `${data.name} ` : "") + measure(value, unit));
  if (value !== null && (lower?.[place] ?? upper?.[place] ?? null) !== null) said.push(describeSide(value, lower?.[place], upper?.[place], unit));
  for (const [name, others] of data.others ?? []) if (others[place] !== null) said.push(`${name} ${measure(others[place], unit)}`);
  if (data.muted?.[place]) said.push(`muted: ${data.muted[place]}`);
  if (data.worst?.[place]) said.push(`most of all ${data.worst[place].slice(0, 2).map(([name]) => name).join(", ")}`);
  for (const [at, , what] of data.marks ?? []) if (at === place) said.push(what);
  return said;
}

function scaleOf(data, width) {
  const known = [data.values, data.lower, data.upper, ...(data.others ?? []).map(([, values]) => values)].flatMap((column) => column ?? []).filter((value) => value !== null);
  let [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  if (low >= 0 && low < 0.4 * high) low = 0;
  if (high === 0 && low === 0) high = 1;
  const pad = (high - low || Math.abs(high) || 1) * 0.07;
  [low, high] = [low === 0 ? 0 : low - pad, high + pad];
  const [left, right, bottom] = [EDGE.left, width - EDGE.right, HEIGHT - EDGE.bottom];
  const steps = Math.max(data.partitions.length - 1, 1);
  return {
    low, high, left, right, bottom,
    x: (place) => left + ((right - left) * place) / steps,
    y: (value) => bottom - ((bottom - EDGE.top) * (Math.min(Math.max(value, low), high) - low)) / (high - low),
    place: (x) => ((x - left) / (right - left)) * steps,
  };
}

function axes(data, { low, high, x, y, left, right, bottom }) {
  const [size, sign] = scaleFor(data.unit, high);
  const parts = ticks(low / size, high / size).map((value) => [
    svg("line", { class: "grid", x1: left, x2: right, y1: y(value * size), y2: y(value * size) }),
    svg("text", { class: "tick", x: left - 6, y: y(value * size) + 3.5, "text-anchor": "end" }, write(value) + sign),
  ]);
  const isLong = data.partitions.length > 62;
  let free = left - 20;
  data.partitions.forEach((partition, place) => {
    const [, month, day] = partition.split("-").map(Number);
    const isTick = isLong ? day === 1 : new Date(`${partition}T00:00:00Z`).getUTCDay() === 1;
    if (!isTick || x(place) < free + (isLong ? 26 : 40) || x(place) > right - 8) return;
    free = x(place);
    parts.push(svg("line", { class: "grid", x1: x(place), x2: x(place), y1: bottom, y2: bottom + 4 }));
    parts.push(svg("text", { class: "tick", x: x(place), y: bottom + 15, "text-anchor": "middle" }, isLong ? MONTHS[month - 1] : `${day} ${MONTHS[month - 1]}`));
  });
  return svg("g", {}, parts);
}

const write = (value) => String(Number(value.toPrecision(4)));

function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return found;
}

// Stretches of nights on which every column is known.
function stretches(...columns) {
  const found = [];
  let open = null;
  columns[0].forEach((_, place) => {
    if (columns.some((column) => column[place] === null)) open = null;
    else if (open) open.push(place);
    else found.push((open = [place]));
  });
  return found;
}

const path = (places, x, y) => places.map((place, first) => `${first ? "L" : "M"}${x(place).toFixed(1)} ${y(place).toFixed(1)}`).join("");

function band({ lower, upper }, { x, y, low, high }) {
  if (!lower && !upper) return null;
  const ends = (upper ?? lower).map((_, place) => place);
  const known = ends.map((place) => ((upper?.[place] ?? lower?.[place] ?? null) === null ? null : place));
  const top = (place) => y(upper?.[place] ?? high);
  const foot = (place) => y(lower?.[place] ?? low);
  const isKnown = (column) => stretches(known).flatMap((places) => split(places, (place) => (column?.[place] ?? null) !== null));
  return svg("g", {},
    stretches(known).map((places) => svg("path", { class: "band", d: `${path(places, x, top)}${path([...places].reverse(), x, foot).replace("M", "L")}Z` })),
    isKnown(upper).map((places) => svg("path", { class: "limit", d: path(places, x, top) })),
    isKnown(lower).map((places) => svg("path", { class: "limit", d: path(places, x, foot) })),
  );
}

function split(places, isIn) {
  const found = [];
  let open = null;
  for (const place of places) {
    if (!isIn(place)) open = null;
    else if (open) open.push(place);
    else found.push((open = [place]));
  }
  return found;
}

function lines(data, { x, y }) {
  const at = (values) => (place) => y(values[place]);
  const line = (values, kind) => stretches(values).map((places) => (places.length > 1 ? svg("path", { class: kind, d: path(places, x, at(values)) }) : svg("circle", { class: `${kind} single`, cx: x(places[0]), cy: y(values[places[0]]), r: 1.5 })));
  const dots = [...(data.breached ?? [])].filter((place) => data.values[place] !== null);
  return svg("g", {},
    (data.others ?? []).map(([, values]) => line(values, "other")),
    line(data.values, "line"),
    dots.map((place) => svg("circle", { class: data.muted?.[place] ? "out muted" : "out", cx: x(place), cy: y(data.values[place]), r: data.values.length > 120 ? 2.2 : 3 })),
  );
}

function episodes(data, { x, bottom, left, right }) {
  return svg("g", {}, (data.episodes ?? []).map(([from, to, severity]) => {
    const [start, end] = [Math.max(x(from - 0.5), left), Math.min(x(to + 0.5), right)];
    return svg("rect", { class: `episode ${severity}`, x: start, y: EDGE.top, width: Math.max(end - start, 2), height: bottom - EDGE.top });
  }));
}

function marks(data, { x, bottom }) {
  return svg("g", {}, (data.marks ?? []).map(([place, kind]) =>
    svg("g", { class: "mark" }, svg("line", { x1: x(place), x2: x(place), y1: EDGE.top - 3, y2: bottom }), svg("text", { x: x(place), y: EDGE.top - 5, "text-anchor": "middle" }, MARKS[kind]?.[0] ?? "·")),
  ));
}

function numbers(title, data) {
  const others = data.others ?? [];
  const columns = [["Night", ""], [data.name ?? "Value", "number"], ...others.map(([name]) => [name, "number"]), ["Usual", "number"], ["", ""]];
  const rows = data.partitions.map((partition, place) => [
    partition, measure(data.values[place], data.unit), ...others.map(([, values]) => measure(values[place], data.unit)),
    usual(data.lower?.[place], data.upper?.[place], data.unit), data.muted?.[place] ? `muted: ${data.muted[place]}` : data.breached?.has(place) ? "beyond its limit" : "",
  ]);
  return table(title, columns, rows.reverse());
}

// A row of cells for each monitor: quiet, beyond a limit, or in an alarm.
export function overview(partitions, rows, open) {
  const legend = rows.map(([name, states]) => el("div", { class: "row" }, el("span", { class: "name" }, name), strip(partitions, name, states, open)));
  return el("div", { class: "strips" }, legend);
}

function strip(partitions, name, states, open) {
  const bad = states.filter((state) => state === "alarm").length;
  const out = states.filter((state) => state === "out").length;
  const cells = stretchesOf(states).map(([state, from, to]) => svg("rect", { class: `cell ${state}`, x: from, y: 0, width: to - from + 1, height: 1 }));
  const image = svg("svg", { class: "strip", viewBox: `0 0 ${Math.max(states.length, 1)} 1`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: ${bad} nights in an alarm, ${out} beyond a limit, of ${states.length}` }, cells);
  image.addEventListener("click", (event) => {
    const frame = image.getBoundingClientRect();
    open(Math.min(Math.floor(((event.clientX - frame.left) / frame.width) * states.length), states.length - 1));
  });
  return image;
}

function stretchesOf(states) {
  const found = [];
  states.forEach((state, place) => {
    const before = found.at(-1);
    if (before && before[0] === state) before[2] = place;
    else found.push([state, place, place]);
  });
  return found;
}

// A bar inside a table: shares of its width, with a line where a limit is.
export function bar(share, limit = null, kind = "") {
  const clip = (value) => 100 * Math.min(Math.max(value, 0), 1);
  return svg("svg", { class: `bar ${kind}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 10 }),
    svg("rect", { class: "fill", width: clip(share), height: 10 }),
    limit === null ? null : svg("rect", { class: "stop", x: clip(limit) - 0.4, width: 0.8, height: 10 }),
  );
}

// From the middle to the right what is above zero, to the left what is below; 1 and -1 are the ends.
export function signedBar(share) {
  const length = 50 * Math.min(Math.abs(share), 1);
  return svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 10 }),
    svg("rect", { class: share < 0 ? "fill down" : "fill", x: share < 0 ? 50 - length : 50, width: length, height: 10 }),
    svg("rect", { class: "stop", x: 49.8, width: 0.4, height: 10 }),
  );
}

export function histogram(title, edges, counts) {
  const [width, height, left, bottom] = [420, 150, 34, 130];
  const most = Math.max(...counts, 1);
  const [from, to] = [edges[0], edges.at(-1)];
  const x = (value) => left + ((width - left - 8) * (value - from)) / (to - from || 1);
  const bars = counts.map((rows, bin) => svg("rect", { class: "column", x: x(edges[bin]) + 0.5, width: Math.max(x(edges[bin + 1]) - x(edges[bin]) - 1, 0.5), y: bottom - (118 * rows) / most, height: (118 * rows) / most }));
  const ends = ticks(from, to).map((value) => svg("text", { class: "tick", x: x(value), y: bottom + 15, "text-anchor": "middle" }, write(value)));
  const rows = counts.map((found, bin) => [`${measure(edges[bin], "")} to ${measure(edges[bin + 1], "")}`, String(found)]);
  return el("figure", { class: "chart" }, el("figcaption", {}, el("span", { class: "name" }, title)),
    svg("svg", { class: "fluid", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}; the numbers are in the table below` },
      svg("line", { class: "grid", x1: left, x2: width - 8, y1: bottom, y2: bottom }), bars, ends),
    disclosure("Numbers", () => table(title, [["From, to", ""], ["Rows", "number"]], rows)));
}

export function calibration(title, bins) {
  const [size, left, bottom] = [240, 34, 212];
  const reach = Math.max(...bins.flatMap((bin) => [bin.mean_score, bin.mean_label]), 0.1) * 1.05;
  const floor = Math.min(...bins.flatMap((bin) => [bin.mean_score, bin.mean_label]), 0);
  const x = (value) => left + ((size - left - 8) * (value - floor)) / (reach - floor);
  const y = (value) => bottom - ((bottom - 8) * (value - floor)) / (reach - floor);
  const most = Math.max(...bins.map((bin) => bin.rows), 1);
  const grid = ticks(floor, reach).flatMap((value) => [
    svg("text", { class: "tick", x: x(value), y: bottom + 16, "text-anchor": "middle" }, write(value)),
    svg("text", { class: "tick", x: left - 5, y: y(value) + 3, "text-anchor": "end" }, write(value)),
  ]);
  const dots = bins.map((bin) => svg("circle", { class: "dot", cx: x(bin.mean_score), cy: y(bin.mean_label), r: 2.5 + 3.5 * Math.sqrt(bin.rows / most) }));
  const rows = bins.map((bin) => [`${measure(bin.lower, "")} to ${measure(bin.upper, "")}`, String(bin.rows), measure(bin.mean_score, ""), measure(bin.mean_label, "")]);
  return el("figure", { class: "chart" }, el("figcaption", {}, el("span", { class: "name" }, title), el("span", { class: "quiet" }, "on the line, what was promised came")),
    svg("svg", { class: "fluid square", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `${title}; the numbers are in the table below` },
      svg("line", { class: "limit", x1: x(floor), y1: y(floor), x2: x(reach), y2: y(reach) }), grid, dots),
    disclosure("Numbers", () => table(title, [["Scores from, to", ""], ["Rows", "number"], ["Mean score", "number"], ["What came", "number"]], rows)));
}
