// What one can change: the control interface, as /sandbox/… has it.

/** A request to the controls. Gives the answer, or throws its problem. */
const control = async (method, address, document) => {
  const options = { method };
  if (document !== undefined) options.body = JSON.stringify(document);
  const response = await fetch(address, options);
  const answer = await response.json();
  if (!response.ok) throw new Error([answer.field, answer.problem].filter(Boolean).join(" ") || `HTTP ${response.status}`);
  return answer;
};

const tell = (id, text) => {
  byId(id).textContent = text;
};

/** Runs an action and tells its end beside the form. */
const attempt = async (form, done, act) => {
  const told = form.querySelector(".told");
  told.textContent = "";
  try {
    await act();
    told.textContent = done;
    told.classList.remove("problem");
  } catch (error) {
    told.textContent = error.message;
    told.classList.add("problem");
  }
};

const onSubmit = (id, done, act) => {
  const form = byId(id);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form, done, () => act(form.elements));
  });
};

const onClick = (id, form, done, act) => byId(id).addEventListener("click", () => attempt(byId(form), done, act));

const number = (field) => (field.value.trim() === "" ? null : Number(field.value));

/** Names of faults and the fields that each needs. */
const FAULTS = {
  "No answer": { reset_before: [], reset_after: [], close_before: [], close_after: [], silence_before: [], silence_after: [] },
  "Late answer": { slow_before: ["delay_ms"], slow_after: ["delay_ms"] },
  "Another answer": {
    html_before: ["status"],
    html_after: ["status"],
    plain_text_before: [],
    plain_text_after: [],
    empty_before: [],
    empty_after: [],
    redirect: ["origin"],
    refuse: ["code"],
    expired_token: [],
    oauth_error: ["code"],
    echo: [],
  },
  "Damaged answer": {
    cut_off: [],
    truncated: [],
    oversized: ["bytes"],
    wrong_content_type: [],
    junk: [],
    wrong_encoding: [],
    invalid_json: [],
    null: [],
    array: [],
    no_result: [],
    no_time: [],
  },
  "Commands of a batch": { command_refuse: ["code"], command_fail: ["code"], command_omit_before: [], command_omit_after: [] },
};
const FAULT_FIELDS = ["status", "delay_ms", "bytes", "code", "origin"];
const fieldsOf = (fault) => Object.values(FAULTS).find((group) => Object.hasOwn(group, fault))?.[fault] ?? [];

const showFaultFields = () => {
  const { elements } = byId("fault");
  const needed = fieldsOf(elements.fault.value);
  for (const field of FAULT_FIELDS) elements[field].parentElement.hidden = !needed.includes(field);
  elements.number.parentElement.hidden = elements.schedule.value === "always";
};

for (const [group, faults] of Object.entries(FAULTS)) {
  const options = make("optgroup", {}, Object.keys(faults).map((fault) => make("option", { value: fault }, fault)));
  options.label = group;
  byId("fault").elements.fault.append(options);
}
byId("fault").elements.fault.value = "html_before";
byId("fault").addEventListener("change", showFaultFields);
showFaultFields();

onSubmit("fault", "Added.", (fields) => {
  const fault = { fault: fields.fault.value };
  if (fields.schedule.value === "always") fault.always = true;
  else fault[fields.schedule.value] = number(fields.number);
  if (fields.method.value) fault.method = fields.method.value;
  for (const field of fieldsOf(fault.fault)) fault[field] = fields[field].type === "number" ? number(fields[field]) : fields[field].value;
  // The first portal is the only one mostly; of several the fault is for the one that is shown.
  if (portalState?.portals_in_all > 1) fault.portal = portalState.portal;
  return control("POST", "faults", fault);
});
onClick("no-faults", "fault", "Removed.", () => control("DELETE", "faults"));

const scheduleText = (schedule) =>
  schedule === "always" ? "every request" : schedule.next ? `the next ${plural(schedule.next, "request")}` : `one request in ${schedule.every}`;

/** The faults on the page by id. They stay while their figures change. */
const faultRows = new Map();

const faultRow = (fault) => {
  const known = faultRows.get(fault.id) ?? {
    schedule: make("span"),
    seen: make("span", { class: "note" }),
  };
  known.row ??= make(
    "li",
    {},
    make("strong", {}, fault.fault),
    known.schedule,
    known.seen,
    button("Remove", () => attempt(byId("fault"), "Removed.", () => control("DELETE", "faults", { id: fault.id })), {
      "aria-label": `Remove the fault ${fault.fault}`,
    }),
  );
  known.schedule.replaceChildren(...plain([scheduleText(fault.schedule), fault.method, fault.portal, fault.client_id].filter(Boolean).join(", ")));
  known.seen.textContent = `${fault.executes ? "executed" : "not executed"}, seen ${fault.seen}`;
  faultRows.set(fault.id, known);
  return known.row;
};

const showFaults = () => {
  const { faults, faults_in_all: all, message_rules: rules } = portalState;
  for (const id of faultRows.keys()) if (!faults.some((fault) => fault.id === id)) faultRows.delete(id);
  const shownRows = faults.map(faultRow);
  if (all > faults.length) shownRows.push(make("li", { class: "note" }, `${plural(all - faults.length, "fault")} more`));
  if (all === 0) shownRows.push(make("li", { class: "note" }, "None: every request gets its right answer."));
  const list = byId("faults");
  if (shownRows.length !== list.children.length || shownRows.some((row, at) => row !== list.children[at])) list.replaceChildren(...shownRows);
  byId("rules").textContent = rules === 0 ? "None: every correct message is accepted." : `${plural(rules, "rule")} in force.`;
};

onSubmit("rule", "Refused from now on.", (fields) =>
  control("POST", "message-rules", {
    message_id: fields.message_id.value || null,
    text: fields.text.value || null,
    error: fields.error.value,
  }),
);
onClick("no-rules", "rule", "Accepted from now on.", () => control("DELETE", "message-rules"));

onSubmit("limits", "In force; what was counted is forgotten.", (fields) => {
  const own = { burst: number(fields.burst), drain_per_second: number(fields.drain_per_second) };
  return control("POST", "limits", {
    portal: portalState.portal,
    intensity: fields.intensity.value === "own" ? own : fields.intensity.value,
    operating_limit_seconds: number(fields.operating_limit_seconds),
    request_latency_ms: number(fields.request_latency_ms) ?? 0,
  });
});

onSubmit("advance", "Moved.", (fields) =>
  control("POST", "clock", { portal: portalState.portal, advance_seconds: Number(fields.advance_seconds.value) }),
);

const showSwitchValue = () => {
  const { elements } = byId("switch");
  elements.value.value = JSON.stringify(portalState.switches[elements.name.value] ?? null);
};
let switchesShown = "";

const showSwitches = () => {
  const now = JSON.stringify(portalState.switches);
  if (now === switchesShown) return;
  switchesShown = now;
  const select = byId("switch").elements.name;
  const chosen = select.value;
  select.replaceChildren(...Object.keys(portalState.switches).map((key) => make("option", { value: key }, key)));
  if (chosen) select.value = chosen;
  showSwitchValue();
};

byId("switch").elements.name.addEventListener("change", showSwitchValue);
onSubmit("switch", "In force.", (fields) => {
  const value = parsed(fields.value.value);
  if (value === undefined) throw new Error("the value is not JSON; a text needs quotes");
  return control("POST", "switches", { [fields.name.value]: value });
});
onClick("no-switches", "switch", "All have their defaults.", () => control("DELETE", "switches"));

byId("clear").addEventListener("click", () => control("DELETE", "record").catch((error) => tell("lost", error.message)));

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  byId("theme").textContent = isDark ? "Dark" : "Light";
});
if (matchMedia("(prefers-color-scheme: dark)").matches) byId("theme").textContent = "Light";
