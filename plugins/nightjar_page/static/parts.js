// Parts that the page of a job and the page of a night have in common.

import { bar, calibration, histogram, signedBar } from "./charts.js";
import { announce, el, link, load, nightPath, jobPath, svg, table, webLink } from "./dom.js";
import { MARKS, count, describeSide, duration, measure, moment, nameSignal, number, plain, signed, usual } from "./words.js";

export const section = (id, title, lead, ...children) =>
  el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), lead ? el("p", { class: "lead" }, lead) : null, children);

export const part = (title, ...children) => el("div", { class: "part" }, el("h3", {}, title), children);

export const card = (title, value, kind, ...notes) =>
  el("div", { class: `card ${kind}` }, el("h2", {}, title), el("p", { class: "big" }, value), notes.filter(Boolean).map((note) => el("p", { class: "quiet" }, note)));

export const badge = (text, kind) => el("span", { class: `badge ${kind}` }, text);

// received = quarantined + scored, scored = published; the signs say whether it holds.
export function accounting({ received, quarantined, scored, published }) {
  if (received === undefined) return null;
  const same = (holds) => (holds ? "=" : "≠");
  return `${count(received)} received ${same(received === quarantined + scored)} ${count(quarantined)} quarantined + ${count(scored)} scored ${same(scored === published)} ${count(published)} published`;
}

export function alarmList(job, episodes, isOpen) {
  return el("ul", { class: "alarms" }, episodes.map((episode) =>
    el("li", { class: isOpen ? episode.severity : "over" },
      el("strong", {}, isOpen ? "▲ " : "", nameSignal(episode.signal, job)), " ", badge(episode.severity, isOpen ? episode.severity : ""),
      el("span", { class: "said" },
        `since ${episode.since}`, describeEnd(episode), "; ", describeFound(episode),
        episode.worst.length ? `; most of all ${episode.worst.slice(0, 3).map((worst) => worst.name).join(", ")}` : "", ". ",
        link(nightPath(job.name, episode.partition), `Night of ${episode.partition}`),
        isOpen ? [" · ", webLink(episode.runbook, "Runbook") ?? `Runbook: ${episode.runbook}`] : null),
    )));
}

// Of one that ended, when and why; of one that was not judged any more, that nobody knows whether it is over.
function describeEnd({ resolved_by, why_resolved, judged }) {
  if (!resolved_by) return "";
  return `, ${judged ? `resolved ${resolved_by}` : `closed ${resolved_by} without being known to be well`}: ${why_resolved}`;
}

// What raised it: in words where it was found in words, else how far beyond its limit it was.
const describeFound = ({ found, value, lower, upper, unit }) => found || `${measure(value, unit)} when it was raised, ${describeSide(value, lower, upper, unit)}`;

export const marksList = (job, marks) => table("What was done", [["Night", ""], ["What", ""], ["Who", ""], ["When", ""], ["Why", "wide"]], marks.map((mark) => [
  link(nightPath(job.name, mark.partition), mark.partition), `${MARKS[mark.kind]?.[0] ?? "·"} ${mark.what}`, mark.who, moment(mark.at), mark.why,
]));

const AGAINST = { reference: "training reference", weekday: "same weekday" };
const SHOWN = 12;

// A table of the first of many items, with a button for the others.
function shorten(items, draw) {
  const box = el("div", {});
  const show = (all) => {
    box.replaceChildren(draw(all ? items : items.slice(0, SHOWN), all ? [] : items.slice(SHOWN)));
    if (!all && items.length > SHOWN) box.append(el("button", { class: "more", onclick: () => show(true) }, `Show all ${items.length}`));
  };
  show(false);
  return box;
}

export function driftTable(job, partition, drift) {
  if (!drift.length) return el("p", { class: "quiet" }, "Too few nights to compare, or the night was not profiled.");
  const most = Math.max(...drift.map((item) => Math.max(item.score ?? 0, item.limit ?? 0)), 1e-9);
  return shorten(drift, (items) => table("Features by how unusual they are", [["Feature", ""], ["Against", ""], ["Unusualness, in spreads from the median", ""], ["PSI", "number"], ["Jensen-Shannon", "number"]], items.map((item) => [
    featureButton(job, partition, item), AGAINST[item.against],
    el("span", { class: "meter" }, bar((item.score ?? 0) / most, item.limit === null ? null : item.limit / most, item.breached ? "bad" : ""), el("span", { class: item.breached ? "bad" : "" }, item.breached ? "▲ " : "", number(item.score))),
    number(item.psi), number(item.jensen_shannon),
  ])));
}

export function movedTable(job, moved) {
  const most = Math.max(...moved.features.map(([, change]) => Math.abs(change)), 1e-9);
  const nights = moved.against.flatMap((night, place) => [place ? ", " : "", link(nightPath(job.name, night), night)]);
  return el("div", {},
    el("p", {}, "Mean prediction ", el("strong", {}, `${number(moved.mean_before)} → ${number(moved.mean_after)}`), ", compared with ", nights, `: ${count(moved.rows)} rows of each side, by model ${moved.model_version}.`),
    shorten(moved.features, (features, others) => table("Features by how far they moved the mean prediction", [["Feature", ""], ["Moved the mean prediction by", ""]], [
      ...features.map(([feature, change]) => [feature, el("span", { class: "meter" }, signedBar(change / most), el("span", {}, signed(change)))]),
      ...(others.length ? [[`${others.length} others together`, el("span", { class: "meter" }, el("span", {}), el("span", {}, signed(others.reduce((sum, [, change]) => sum + change, 0))))]] : []),
    ])));
}

function featureButton(job, partition, item) {
  const button = el("button", { class: "feature", "aria-expanded": "false" }, item.feature);
  button.addEventListener("click", async () => {
    const row = button.closest("tr");
    if (button.getAttribute("aria-expanded") === "true") {
      row.nextSibling.remove();
      button.setAttribute("aria-expanded", "false");
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const cell = el("td", { colspan: 5, class: "opened" }, el("p", { class: "quiet" }, "Reading …"));
    row.after(el("tr", {}, cell));
    try {
      cell.replaceChildren(distributions(await load(`${nightPath(job.name, partition)}/features/${encodeURIComponent(item.feature)}?against=${item.against}`), partition));
      announce(`The two distributions of ${item.feature} are shown.`);
    } catch (error) {
      cell.replaceChildren(el("p", {}, error.message));
    }
  });
  return button;
}

function distributions({ feature, against, bins, tonight, others, rows, other_rows }, partition) {
  const most = Math.max(...tonight, ...others, 1e-9);
  const shown = bins.map((name, bin) => [name, tonight[bin], others[bin]]).filter(([, one, other]) => one || other);
  return el("div", {},
    el("p", { class: "legend" }, el("i", { class: "key tonight" }), `${partition} (${count(rows)} rows) `, el("i", { class: "key others" }), `${AGAINST[against]} (${count(other_rows)} rows)`),
    table(`Distributions of ${feature}`, [["Value", ""], ["Shares", "wide"], ["Night", "number"], ["Others", "number"]], shown.map(([name, one, other]) => [
      name, svg("svg", { class: "pair", viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "tonight", width: (100 * one) / most, height: 6 }), svg("rect", { class: "others", y: 7, width: (100 * other) / most, height: 6 })),
      measure(one, "share"), measure(other, "share"),
    ])));
}

export function quarantineTable(operations) {
  const rows = Object.entries(operations.quarantine).flatMap(([source, reasons]) => Object.entries(reasons).map(([reason, found]) => [source, reason, found, operations.received[source]]));
  rows.sort((one, other) => other[2] - one[2]);
  if (!rows.length) return el("p", { class: "quiet" }, "No row of this night is in quarantine.");
  return table("Quarantine by reason", [["Source", ""], ["Reason", "wide"], ["Rows", "number"], ["Of received", "number"]], rows.map(([source, reason, found, received]) => [source, reason, count(found), received ? measure(found / received, "share") : "–"]));
}

export function stageTable(stages) {
  const most = Math.max(...stages.map((stage) => stage.seconds ?? 0), 1e-9);
  return table("Stages", [["Stage", ""], ["State", ""], ["Seconds", ""], ["Rows", "number"], ["Peak memory", "number"], ["Began", ""]], stages.map((stage) => [
    plain(stage.stage), stage.state === "success" ? badge("✓ success", "good") : badge(`✕ ${stage.state}`, "critical"),
    el("span", { class: "meter" }, bar(stage.seconds / most), el("span", {}, measure(stage.seconds, "seconds"))),
    count(typeof stage.rows === "object" && stage.rows ? Object.values(stage.rows).reduce((sum, rows) => sum + rows, 0) : stage.rows), stage.peak_memory_mib === null ? "–" : `${count(stage.peak_memory_mib)} MiB`, moment(stage.started_at),
  ]));
}

export function signalTable(job, signals) {
  return table("Signals", [["Signal", ""], ["Value", "number"], ["Usual", "number"], ["State", ""], ["Most of all", "wide"]], signals.map((signal) => [
    nameSignal(signal.name, job), measure(signal.value, signal.unit), usual(signal.lower, signal.upper, signal.unit),
    signal.muted ? badge(`muted: ${signal.muted}`, "") : signal.breached ? badge(`▲ ${describeSide(signal.value, signal.lower, signal.upper, signal.unit)}`, "warning") : badge("✓ usual", "good"),
    signal.worst.map((worst) => `${worst.name} (${measure(worst.value, signal.unit)})`).join(", ") || "",
  ]));
}

export const outputParts = (outputs) => histogram("Predictions of the night", outputs.distribution.edges, outputs.distribution.counts);

export function segmentTable(outputs) {
  return table("Predictions by segment", [["Segment", ""], ["Rows", "number"], ["Mean", "number"], ["Above threshold", "number"]], outputs.segments.map((segment) => [segment.segment, count(segment.rows), number(segment.mean), measure(segment.share_above, "share")]));
}

export function gradeParts(graded) {
  const metrics = Object.entries(graded.metrics).filter(([name]) => name !== "rows");
  return [
    table("Realised and estimated", [["Metric", ""], ["Realised", "number"], ["Estimated", "number"]], metrics.map(([name, value]) => [plain(name), number(value, 4), number(graded.estimated[name], 4)])),
    graded.calibration.length ? calibration(`Calibration, ${graded.partition}`, graded.calibration) : null,
  ];
}

export function validation(job, docs) {
  if (!docs) return el("p", { class: "quiet" }, "The Data Docs have no page of this night.");
  const kind = { passed: "good", warned: "warning", failed: "critical" }[docs.verdict];
  return el("p", {}, badge(docs.verdict, kind), ` ${count(docs.received)} rows received, ${count(docs.quarantined)} quarantined; ${docs.evaluated} of ${docs.planned} expectations evaluated, ${docs.failed} failed. `,
    link(`${jobPath(job.name)}/docs/nights/${docs.partition}.html`, "Data Docs of this night"), " · ", link(`${jobPath(job.name)}/docs/index.html`, "all nights"));
}

// Where time was moved, what it is said to be.
export const asOf = ({ now, clock_moved }) => (clock_moved ? `as of ${moment(now)}, as NIGHTJAR_CLOCK says` : null);

export const age = ({ age_seconds, max_age_seconds }) => `${duration(age_seconds)} old${max_age_seconds ? `, ${duration(max_age_seconds)} allowed` : ""}`;
