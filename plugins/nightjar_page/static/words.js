// What things are called for people, and how numbers are written.

export const MONITORS = {
  inputs: ["Inputs", "Are tonight’s features like those the model was trained on, and like the same weekday’s?"],
  outputs: ["Outputs", "Are the predictions spread as on other nights?"],
  operations: ["Operations", "Did the run go as it usually does, and can readers read?"],
  accuracy: ["Accuracy", "How good the predictions were, once their labels closed; before that, how good they promise to be."],
};

export const METRICS = { auc: "AUC", log_loss: "Log loss", brier: "Brier score", rmse: "RMSE", mae: "MAE", r2: "R²", business_cost: "Business cost" };

export const nameMetric = (name) => METRICS[name] ?? plain(name);

export const nameSignal = (name, job) => job.titles[name] ?? plain(name.split(".").slice(1).join(" "));

export const MARKS = {
  promoted: ["▲", "Promotion"],
  demoted: ["▼", "Demotion"],
  rolled_back: ["↺", "Rollback"],
  kept: ["◇", "Backfill"],
  released_again: ["◆", "Released again"],
  held: ["‖", "Held by the gate"],
  refused: ["✕", "Refused by the gate"],
  approved: ["✓", "Approved"],
  declined: ["✕", "Declined"],
  republished: ["⟳", "Republished"],
};

export const plain = (name) => name.replaceAll("_", " ");

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NONE = "–";

export const count = (value) => (value === null || value === undefined ? NONE : whole.format(value));

export function number(value, digits = 3) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10 ** digits) return whole.format(value);
  if (size < 1e-4) return value.toExponential(1);
  return value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
}

export const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + number(Math.abs(value));

const SIZES = { share: [0.01, " %"], bytes: [2 ** 20, " MiB"], seconds: [1, " s"] };

// What an axis counts in, and how that is written: there is no room for units that are not known.
export function scaleFor(unit, most) {
  if (unit === "seconds" && most < 1) return [0.001, " ms"];
  return SIZES[unit] ?? [1, ""];
}

export function measure(value, unit) {
  if (value === null || value === undefined) return NONE;
  if (unit === "share") return `${number(100 * value)} %`;
  if (unit === "bytes") return `${number(value / 2 ** 20)} MiB`;
  if (unit === "seconds") return Math.abs(value) < 1 && value !== 0 ? `${number(1000 * value)} ms` : duration(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}

export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 2) return `${number(seconds)} s`;
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const moment = (text) => text.replace("T", " ").replace(/(:\d\d)(\.\d+)?(\+00:00|Z)$/, "$1 UTC");

export function weekday(partition) {
  return new Date(`${partition}T00:00:00Z`).toLocaleDateString("en", { weekday: "short", timeZone: "UTC" });
}

// Beyond which limit a signal is, in words.
export function describeSide(value, lower, upper, unit) {
  if (upper !== null && upper !== undefined && value > upper) return `above ${measure(upper, unit)}`;
  if (lower !== null && lower !== undefined && value < lower) return `below ${measure(lower, unit)}`;
  return "within limits";
}

export const usual = (lower, upper, unit) => {
  const [from, to] = [lower, upper].map((end) => (end === null || end === undefined ? null : measure(end, unit)));
  if (from !== null && to !== null) return `${from} to ${to}`;
  if (to !== null) return `up to ${to}`;
  return from !== null ? `from ${from}` : "not known yet";
};
