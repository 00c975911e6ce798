// The page of a job: what is live and whether anything is wrong, then the four monitors over time.

import { nightChart, overview } from "./charts.js";
import { airflowLink, disclosure, el, jobPath, link, load, nightPath, root, table } from "./dom.js";
import { accounting, age, alarmList, asOf, badge, card, driftTable, gradeParts, marksList, outputParts, part, quarantineTable, section, segmentTable, stageTable } from "./parts.js";
import { MARKS, MONITORS, count, moment, nameMetric, nameSignal, number, plain } from "./words.js";

const RANGES = [30, 90, 365];
const AGAIN = 60_000;
let shown = 90;

export async function showJob(content, name) {
  const path = jobPath(name);
  let [live, view] = await Promise.all([load(`${path}/live`), load(path)]);
  const status = el("div", {});
  const body = el("div", {});
  content.replaceChildren(status, body);
  const draw = () => {
    drawHead();
    body.replaceChildren(...monitors(view, choose));
  };
  // Who is reading in it with the keyboard would lose their place.
  const drawHead = () => status.contains(document.activeElement) || status.replaceChildren(...head(live, view));
  const choose = (nights) => {
    shown = nights;
    draw();
    body.querySelector(".ranges [aria-pressed=true]").focus();
  };
  draw();
  let isDue = false;
  setInterval(async () => {
    if (document.hidden) return;
    const newer = await load(`${path}/live`).catch(() => live);
    const isNew = newer.live?.generation !== live.live?.generation || newer.open_alarms !== live.open_alarms;
    live = newer;
    if (isNew) view = await load(path).catch(() => view);
    isDue ||= isNew;
    if (!isDue || body.contains(document.activeElement)) return drawHead();
    isDue = false;
    draw();
  }, AGAIN);
}

function head(live, view) {
  const { job, newest } = view;
  const open = view.episodes.filter((episode) => !episode.resolved_by);
  return [
    el("header", {},
      el("p", { class: "crumbs" }, link("/", "All jobs")),
      el("h1", {}, job.name, " ", verdict(live, open)),
      el("p", { class: "lead" }, job.description),
    ),
    open.length ? el("section", { "aria-label": "Open alarms" }, alarmList(job, open, true)) : null,
    waiting(job, live, view),
    el("div", { class: "cards" }, liveCard(live), modelCard(view), rowsCard(live), qualityCard(view), validationCard(job, newest)),
  ].filter(Boolean);
}

export function verdict({ live, problem }, open) {
  if (!live) return badge(`✕ ${problem ?? "nothing is live"}`, "critical");
  if (open.some((episode) => episode.severity === "critical")) return badge(`▲ ${alarms(open.length)}`, "critical");
  if (live.stale) return badge("▲ what is live is too old", "critical");
  return open.length ? badge(`▲ ${alarms(open.length)}`, "warning") : badge("✓ no alarm", "good");
}

export const alarms = (open) => `${open} open ${open === 1 ? "alarm" : "alarms"}`;

function waiting(job, live, view) {
  const questions = live.questions.map((asked) =>
    el("li", {}, asked.subject, " ", airflowLink(`/dags/${encodeURIComponent(asked.dag)}/runs/${encodeURIComponent(asked.run)}/required_actions`, "Answer it in Airflow")),
  );
  const held = view.held.map((release) =>
    el("li", {}, `The gate holds generation ${release.generation} of ${release.partition}: ${release.why}. `, airflowLink(`/dags/nightly_scoring_${encodeURIComponent(job.name)}/required_actions`, "Required actions")),
  );
  if (!questions.length && !held.length) return null;
  return el("section", { "aria-label": "Waits for a person", class: "waiting" }, el("h2", {}, "Waits for a person"), el("ul", {}, questions, held));
}

function liveCard({ live, problem, ...clock }) {
  if (!live) return card("Live", "nothing", "bad", problem);
  return card("Live", live.partition, live.stale ? "bad" : "", `generation ${live.generation}`, age(live), asOf(clock), ...live.caveats);
}

function modelCard({ models }) {
  const champion = models.find((model) => model.role === "champion");
  const challenger = models.find((model) => model.role === "challenger");
  return card("Model", champion ? champion.version : "none", champion ? "" : "bad", champion ? `champion since ${champion.holds_from}` : "no champion", challenger ? `challenger ${challenger.version} is a candidate` : "no challenger");
}

function rowsCard({ live, accounting: rows }) {
  return card("Rows", count(live?.rows), "", accounting(rows));
}

function qualityCard({ signals, partitions, job }) {
  const realised = signals["accuracy.primary"];
  const estimate = signals["accuracy.estimate"];
  const name = nameSignal("accuracy.primary", job).replace("Realised ", "");
  const at = realised?.values.findLastIndex((value) => value !== null) ?? -1;
  const told = estimate?.values.findLastIndex((value) => value !== null) ?? -1;
  return card(`Realised ${name}`, at < 0 ? "–" : number(realised.values[at]), at >= 0 && realised.breached.includes(at) ? "bad" : "", at < 0 ? "no labels yet" : `night of ${partitions[at]}`, told < 0 ? null : `estimate for the night of ${partitions[told]}: ${number(estimate.values[told])}`);
}

function validationCard(job, newest) {
  const docs = newest?.docs;
  if (!docs) return card("Validation", "–", "", "no Data Docs of the newest night");
  return card("Validation", docs.verdict, docs.verdict === "failed" ? "bad" : "", `${count(docs.quarantined)} of ${count(docs.received)} rows quarantined`, link(`${jobPath(job.name)}/docs/nights/${docs.partition}.html`, "Data Docs"));
}

function monitors(view, choose) {
  const { job, newest } = view;
  if (!newest) return [el("p", { class: "empty" }, "No night of this job was watched yet: its records begin with the next one.")];
  const frame = frameOf(view);
  const panels = {
    inputs: [part(`Drift by feature, ${newest.partition}`, driftTable(job, newest.partition, newest.observed.drift))],
    outputs: [el("div", { class: "charts" }, outputParts(newest.observed.outputs)), disclosure("By segment", () => segmentTable(newest.observed.outputs))],
    operations: [part(`Stages, ${newest.partition}`, stageTable(newest.stages)), part(`Quarantine by reason, ${newest.partition}`, quarantineTable(newest.observed.operations))],
    accuracy: [metricCharts(view, frame)],
  };
  return [
    el("nav", { class: "bar-top", "aria-label": "Parts of the page" },
      el("span", { class: "jumps" }, [...Object.entries(MONITORS).map(([id, [title]]) => [id, title]), ["models", "Models"], ["history", "History"]].map(([id, title]) => el("a", { href: `#${id}` }, title))),
      el("span", { class: "ranges", role: "group", "aria-label": "Nights shown" }, RANGES.map((nights) => el("button", { "aria-pressed": String(nights === shown), onclick: () => choose(nights) }, nights === 365 ? "1 year" : `${nights} nights`))),
    ),
    el("section", { "aria-label": "Nights at a glance" }, overview(frame.partitions, Object.entries(MONITORS).map(([id, [title]]) => [title, statesOf(frame, view, id)]), frame.open), legend()),
    ...Object.entries(MONITORS).map(([id, [title, lead]]) => section(id, title, lead, el("div", { class: "charts" }, signalsOf(view, id).map((name) => signalChart(view, frame, name))), panels[id])),
    section("models", "Models", null, modelTable(view)),
    section("history", "History", null, disclosure(`Past alarms (${view.episodes.filter((episode) => episode.resolved_by).length})`, () => alarmList(job, view.episodes.filter((episode) => episode.resolved_by), false)), view.marks.length ? marksList(job, [...view.marks].reverse()) : el("p", { class: "quiet" }, "Nothing was promoted, rolled back or filled in.")),
  ];
}

// The newest nights, and how places among all of them become places among these.
function frameOf(view) {
  const start = Math.max(view.partitions.length - shown, 0);
  const partitions = view.partitions.slice(start);
  const placeOf = new Map(partitions.map((partition, place) => [partition, place]));
  const near = (partition) => placeOf.get(partition) ?? partitions.findIndex((other) => other >= partition);
  const cut = (column) => column.slice(start);
  const cutPlaces = (places) => Object.fromEntries(Object.entries(places).map(([place, value]) => [place - start, value]));
  const spans = view.episodes.map((episode) => [episode.signal, near(episode.since), episode.resolved_by ? near(episode.resolved_by) : partitions.length - 1, episode.severity, episode.resolved_by])
    .filter(([, from, to, , resolved]) => from >= 0 && to >= 0 && !(resolved && resolved < partitions[0]));
  const marks = view.marks.filter((mark) => mark.partition >= partitions[0] && near(mark.partition) >= 0).map((mark) => [near(mark.partition), mark.kind, mark.what]);
  const open = (place) => location.assign(root + nightPath(view.job.name, partitions[place]));
  return { start, partitions, cut, cutPlaces, spans, marks, open };
}

const signalsOf = (view, monitor) => Object.keys(view.signals).filter((name) => name.startsWith(`${monitor}.`)).sort((one, other) => order(one) - order(other));
const ORDER = ["drift", "weekday_drift", "mean", "share_above", "primary", "estimate", "concept", "calibration", "seconds", "quarantine", "memory", "latency", "retries"];
const order = (name) => (ORDER.indexOf(name.split(".")[1]) + ORDER.length + 1) % (ORDER.length + 1);

function signalChart(view, frame, name) {
  const signal = view.signals[name];
  const has = (column) => (column.some((value) => value !== null) ? frame.cut(column) : null);
  return nightChart(nameSignal(name, view.job), {
    partitions: frame.partitions, unit: signal.unit, values: frame.cut(signal.values), lower: has(signal.lower), upper: has(signal.upper),
    breached: new Set(signal.breached.map((place) => place - frame.start).filter((place) => place >= 0)),
    muted: frame.cutPlaces(signal.muted), worst: frame.cutPlaces(signal.worst), marks: frame.marks, open: frame.open,
    episodes: frame.spans.filter(([of]) => of === name).map(([, from, to, severity]) => [from, to, severity]),
  });
}

function metricCharts(view, frame) {
  const charts = Object.entries(view.metrics).filter(([, { realised }]) => realised.some((value) => value !== null)).map(([name, { realised, estimated }]) => {
    const isEstimated = estimated.some((value) => value !== null);
    return nightChart(nameMetric(name), {
      partitions: frame.partitions, unit: name === "business_cost" ? view.job.cost_unit : "", name: "realised", values: frame.cut(realised), marks: frame.marks, open: frame.open,
      others: isEstimated ? [["estimated", frame.cut(estimated)]] : [], note: isEstimated ? "dashed: as it was estimated before labels" : "realised",
    });
  });
  const graded = view.newest_graded;
  return el("div", {}, charts.length ? part("Realised and estimated", el("div", { class: "charts" }, charts)) : el("p", { class: "quiet" }, "No labels have closed yet."), graded ? part(`Graded ${graded.partition}`, gradeParts(graded)) : null);
}

function statesOf(frame, view, monitor) {
  const states = frame.partitions.map(() => "quiet-cell");
  for (const name of signalsOf(view, monitor)) for (const place of view.signals[name].breached) if (place >= frame.start && !(place in view.signals[name].muted)) states[place - frame.start] = "out";
  for (const [signal, from, to] of frame.spans) if (signal.startsWith(`${monitor}.`)) states.fill("alarm", Math.max(from, 0), to + 1);
  return states;
}

const legend = () => el("p", { class: "legend" },
  el("i", { class: "key quiet-cell" }), "usual ", el("i", { class: "key out" }), "beyond a limit ", el("i", { class: "key alarm" }), "in an alarm ",
  el("i", { class: "key band-key" }), "where the job’s own nights usually are ", Object.entries(MARKS).slice(0, 4).map(([, [sign, name]]) => `${sign} ${name.toLowerCase()} `), "· click a night to open it");

function modelTable({ job, models }) {
  if (!models.length) return el("p", { class: "quiet" }, "No model was registered yet.");
  const metrics = [...new Set(models.flatMap((model) => Object.keys(model.metrics)))].filter((name) => name !== "rows").slice(0, 3);
  return table("Models", [["Version", ""], ["Is", ""], ["Holds from", ""], ["Trained through", ""], ...metrics.map((name) => [`${nameMetric(name)} on the holdout`, "number"]), ["What the gate or a person said", "wide"], ["When", ""]], models.map((model) => [
    model.has_card ? link(`${jobPath(job.name)}/cards/${model.version}`, `model ${model.version}`) : `model ${model.version}`,
    badge(model.role ?? plain(model.standing), model.role === "champion" ? "good" : model.role ? "accent" : ""), model.holds_from, model.trained_through, ...metrics.map((name) => number(model.metrics[name], 4)), model.why, moment(model.at),
  ]));
}
