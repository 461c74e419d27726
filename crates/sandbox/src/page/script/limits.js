// Limits, and what counts against them, drained while one looks.

let portalState = null;
/** Milliseconds from the browser's clock to the portal's. */
let clockAhead = 0;

const portalOffset = () => portalState?.utc_offset_hours ?? 0;
const portalNow = () => Date.now() + clockAhead;

const meter = (label, value, most) => {
  const element = make("div", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0 }, make("div"));
  fill(element, value, most);
  return element;
};

const fill = (element, value, most) => {
  const share = most > 0 ? Math.min(value / most, 1) : 0;
  element.setAttribute("aria-valuemax", String(most));
  element.setAttribute("aria-valuenow", value.toFixed(1));
  element.firstChild.className = `filled ${share > 0.99 ? "full" : share > 0.8 ? "high" : ""}`.trim();
  element.firstChild.style.width = `${(share * 100).toFixed(1)}%`;
};

/** The level now: a bucket drains since its last request. */
const level = (bucket, drain) => Math.max(0, bucket.level - (Math.max(0, portalNow() - Date.parse(bucket.at)) / 1_000) * drain);

const showBuckets = () => {
  if (!portalState) return;
  const { limits, buckets } = portalState.limits;
  const box = byId("buckets");
  if (!limits.intensity) {
    box.replaceChildren(make("p", { class: "note" }, "No rate limit: every request is admitted."));
    rows = [];
    return;
  }
  const { burst, drain_per_second: drain } = limits.intensity;
  const all = buckets.length > 0 ? buckets : [{ of: "all requests", level: 0, at: new Date(0).toISOString() }];
  if (rows.length !== all.length || rows.some((row, at) => row.of !== all[at].of)) {
    rows = all.map((bucket) => bucketRow(bucket.of));
    box.replaceChildren(...rows.map((row) => row.element));
  }
  rows.forEach((row, at) => {
    const now = level(all[at], drain);
    row.level.textContent = `${now.toFixed(1)} of ${burst}`;
    fill(row.meter, now, burst);
    row.note.textContent = now + 1 > burst ? "full: the next request is refused" : `drains ${drain} a second`;
  });
};

/** The buckets on the page. They stay while their figures change. */
let rows = [];

const bucketRow = (of) => {
  const row = { of, level: make("strong"), meter: meter(`Bucket of ${of}`, 0, 1), note: make("span", { class: "note" }) };
  row.element = make("div", { class: "bucket" }, make("span", {}, plain(`Bucket of ${of}`)), row.level, row.meter, row.note);
  return row;
};

const showLimits = () => {
  const { operating, network_messages: messages } = portalState.limits;
  showBuckets();
  byId("operating").replaceChildren(
    table(
      ["Method", "Caller", "Used"],
      operating.map((row) => [
        name(row.method),
        name(row.caller),
        row.limit_seconds === null
          ? `${row.seconds.toFixed(2)} s`
          : make("span", {}, `${row.seconds.toFixed(2)} of ${row.limit_seconds} s`, meter(`Operating time of ${row.method}`, row.seconds, row.limit_seconds)),
      ]),
      "None used.",
    ),
  );
  byId("weekly").replaceChildren(
    table(
      ["User", "Last message, portal's time"],
      messages.map((row) => [String(row.user_id), dayAndTime(Date.parse(row.sent), portalOffset())]),
      "None sent.",
    ),
  );
};

let filledIn = "";

/** The form shows the limits in force, until somebody changes one of its fields. */
const fillLimits = () => {
  const { limits } = portalState.limits;
  const now = JSON.stringify([portalState.portal, limits]);
  if (now === filledIn) return;
  filledIn = now;
  const fields = byId("limits").elements;
  const { intensity } = limits;
  const isPlan = (burst, drain) => intensity?.burst === burst && intensity?.drain_per_second === drain;
  fields.intensity.value = !intensity ? "none" : isPlan(50, 2) ? "standard" : isPlan(250, 5) ? "enterprise" : "own";
  fields.burst.value = intensity?.burst ?? 50;
  fields.drain_per_second.value = intensity?.drain_per_second ?? 2;
  fields.operating_limit_seconds.value = limits.operating_limit_seconds ?? "";
  fields.request_latency_ms.value = limits.request_latency_ms;
  showOwnFigures();
};

const showOwnFigures = () => {
  const fields = byId("limits").elements;
  for (const field of [fields.burst, fields.drain_per_second]) field.parentElement.hidden = fields.intensity.value !== "own";
};

byId("limits").elements.intensity.addEventListener("change", showOwnFigures);

const showClock = () => {
  if (!portalState) return;
  byId("clock").textContent = dayAndTime(portalNow(), portalOffset());
};

setInterval(() => {
  showBuckets();
  showClock();
}, 500);
