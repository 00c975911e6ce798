// The page of a night, and the tab of the DAG run that made it.

import { disclosure, el, jobPath, link, load, nightPath } from "./dom.js";
import { accounting, alarmList, badge, card, driftTable, gradeParts, marksList, movedTable, outputParts, part, quarantineTable, section, segmentTable, signalTable, stageTable, validation } from "./parts.js";
import { count, measure, moment, number, weekday } from "./words.js";

export async function showNight(content, { job: name, partition, run }) {
  const [night, view] = await Promise.all([load(`${nightPath(name, partition)}${run ? `?run=${encodeURIComponent(run)}` : ""}`), load(`${jobPath(name)}`)]);
  const { job } = view;
  const { observed, graded } = night;
  const out = observed?.signals.filter((signal) => signal.breached && !signal.muted) ?? [];
  const failed = night.stages.find((stage) => stage.state !== "success");
  content.replaceChildren(...[
    el("header", {},
      el("p", { class: "crumbs" }, link("/", "All jobs"), " / ", link(jobPath(name), name)),
      el("h1", {}, `${weekday(partition)} ${partition} `, failed ? badge(`✕ ${failed.stage} failed`, "critical") : out.length ? badge(`▲ ${out.length} of ${observed.signals.length} signals unusual`, "warning") : observed ? badge("✓ as usual", "good") : badge("not watched", "")),
      el("p", { class: "crumbs" }, night.previous ? link(nightPath(name, night.previous), `‹ ${night.previous}`) : null, " ", night.next ? link(nightPath(name, night.next), `${night.next} ›`) : null, night.has_report ? [" · ", link(`${jobPath(name)}/reports/${partition}.html`, "Report, for sending")] : null),
    ),
    night.episodes.length ? alarmList(job, night.episodes, true) : null,
    el("div", { class: "cards" },
      card("Generation", observed?.generation ?? "–", "", observed ? (observed.went_live ? "went live" : "did not go live") : "nothing was served", `run ${night.run}`),
      card("Model", observed?.model_version ?? "–", "", observed ? `watched ${moment(observed.observed_at)}` : null),
      card("Rows", count(observed?.rows ?? night.accounting.scored), "", accounting(night.accounting)),
      card("Duration", observed ? measure(observed.operations.seconds, "seconds") : "–", "", "of the stages together"),
      card("Mean prediction", number(observed?.outputs.mean), "", observed?.outputs.share_above === null || !observed ? null : `${measure(observed.outputs.share_above, "share")} at or above the threshold`),
    ),
    failed?.error ? el("section", { class: "waiting" }, el("h2", {}, `${failed.stage} failed`), el("p", {}, failed.error.problem ?? failed.error.error), failed.error.next_step ? el("p", {}, failed.error.next_step) : null) : null,
    section("stages", "Stages", null, stageTable(night.stages)),
    section("validation", "Validation", null, validation(job, night.docs), observed ? part("Quarantine by reason", quarantineTable(observed.operations)) : null),
    observed ? section("signals", "Signals", "Each number beside what is usual for the job.", signalTable(job, [...observed.signals, ...(graded?.signals ?? [])])) : null,
    night.moved ? section("moved", "What moved the scores", "Each feature with what it moved the mean prediction by; together they are the difference.", movedTable(job, night.moved)) : null,
    observed ? section("drift", "Drift by feature", "Open a feature to see its two distributions.", driftTable(job, partition, observed.drift)) : null,
    observed ? section("outputs", "Predictions", null, el("div", { class: "charts" }, outputParts(observed.outputs)), disclosure("By segment", () => segmentTable(observed.outputs))) : null,
    section("accuracy", "Accuracy", null, graded ? [el("p", { class: "quiet" }, `${count(graded.labelled)} of ${count(graded.scored)} predictions have a label; graded ${moment(graded.graded_at)}.`), gradeParts(graded)] : el("p", { class: "quiet" }, "Its labels have not closed yet.")),
    night.marks.length ? section("history", "What was done", null, marksList(job, night.marks)) : null,
  ].filter(Boolean));
}
