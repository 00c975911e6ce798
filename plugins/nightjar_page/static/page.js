// Chooses what to show by what the server wrote on the root of the page.

import { announce, el, jobPath, link, load } from "./dom.js";
import { age, asOf, badge } from "./parts.js";
import { alarms, showJob } from "./job.js";
import { showNight } from "./night.js";
import { count } from "./words.js";

const content = document.getElementById("content");
const facts = document.documentElement.dataset;

const views = {
  jobs: showJobs,
  job: () => showJob(content, facts.job),
  night: () => showNight(content, facts),
  pending: () => say("This run has not decided yet which partition it works on.", link(jobPath(facts.job), `All nights of ${facts.job}`)),
  other: () => say("This DAG makes no nights of a job of Nightjar.", link("/", "All jobs")),
};

async function showJobs() {
  const jobs = await load("/jobs");
  if (!jobs.length) return say("There is no job whose nightly DAG you may read.");
  content.replaceChildren(
    el("header", {}, el("h1", {}, "Nightjar"), el("p", { class: "lead" }, "What every job serves tonight, and whether anything about it is unusual."), jobs[0].clock_moved ? el("p", { class: "quiet" }, `Ages are ${asOf(jobs[0])}.`) : null),
    el("ul", { class: "jobs" }, jobs.map(({ job, live, problem, open_alarms, damaged }) =>
      el("li", {}, link(jobPath(job.name),
        el("strong", {}, job.name), " ", !live ? badge("✕ nothing to read", "critical") : damaged ? badge("✕ records cannot be read", "critical") : live.stale ? badge("▲ too old", "critical") : open_alarms ? badge(`▲ ${alarms(open_alarms)}`, "warning") : badge("✓ no alarm", "good"),
        el("span", { class: "said" }, job.description),
        el("span", { class: "quiet" }, live ? `${live.partition}, ${age(live)}; ${count(live.rows)} predictions of model ${live.model_version}` : (problem ?? "nothing is live")),
        damaged ? el("span", { class: "quiet" }, damaged) : null))),
    ),
  );
}

const say = (text, ...more) => content.replaceChildren(el("p", { class: "empty" }, text, " ", more));

try {
  await views[facts.view]();
} catch (error) {
  content.replaceChildren(el("div", { class: "waiting", role: "alert" }, el("h1", {}, "This cannot be shown"), el("p", {}, error.message)));
}
content.removeAttribute("aria-busy");
performance.mark("complete");
announce("The page is complete.");
if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
