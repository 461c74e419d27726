// Requests with their answers, the newest first.

const MOST_REQUESTS = 200;

/** By sequence number, in order: what the server says, and the element. */
const requests = new Map();

/** The errors of single messages in an answer. */
const refusals = (value, depth = 0) => {
  if (depth > 12 || value === null || typeof value !== "object") return [];
  const own = Array.isArray(value.ERRORS) ? value.ERRORS.map(String) : [];
  return own.concat(...Object.values(value).map((inner) => refusals(inner, depth + 1)));
};

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** A body as people read it: JSON with line breaks, a form line by line. */
const readable = (text, type) => {
  const value = parsed(text);
  if (value !== undefined && value !== null && typeof value === "object") return JSON.stringify(value, null, 2);
  if (/x-www-form-urlencoded/i.test(type ?? "")) return decoded(text.replaceAll("&", "\n&"));
  return text;
};

const decoded = (text) => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
};

/** What became of it: a word and a kind. */
const outcome = (request) => {
  const { status, answer, fault } = request;
  const failedCommands = request.commands.filter((command) => command.error).length;
  if (!answer && status === null) return request.sent ? ["in progress", "waiting"] : ["no answer", "bad"];
  if (answer && answer.ending !== "response") return [{ close: "closed", reset: "reset", silence: "silence" }[answer.ending], "bad"];
  if (request.error || status >= 400) return [String(status), "bad"];
  const refused = refusals(parsed(answer?.body ?? "")).length;
  if (refused + failedCommands > 0) return [`${status}, ${refused + failedCommands} refused`, "partly"];
  return [String(status), fault || status >= 300 ? "partly" : "good"];
};

const addRequests = (list) => {
  for (const request of list) {
    const known = requests.get(request.sequence) ?? { element: null };
    known.request = request;
    requests.set(request.sequence, known);
  }
  while (requests.size > MOST_REQUESTS) {
    const oldest = Math.min(...requests.keys());
    requests.get(oldest).element?.remove();
    requests.delete(oldest);
  }
};

const forgetRequests = () => {
  requests.clear();
  byId("requests").replaceChildren();
};

const isWanted = (request) => {
  const filter = byId("filter").value;
  return filter === "all" || (filter === "batch" ? request.method === "batch" : outcome(request)[1] !== "good");
};

const showRequests = (changed) => {
  const list = byId("requests");
  for (const sequence of changed ?? [...requests.keys()].sort((one, other) => one - other)) {
    const known = requests.get(sequence);
    if (!known) continue;
    if (!known.element) {
      known.element = make("details", { class: "request" }, make("summary"), make("div", { class: "detail" }));
      known.element.dataset.sequence = sequence;
      known.element.addEventListener("toggle", () => showDetail(known));
      const before = [...list.children].find((child) => Number(child.dataset.sequence) < sequence);
      list.insertBefore(known.element, before ?? null);
    }
    known.element.hidden = !isWanted(known.request);
    showSummary(known);
    if (known.element.open) showDetail(known);
  }
};

const showSummary = ({ request, element }) => {
  const [word, kind] = outcome(request);
  element.firstChild.replaceChildren(
    make("span", { class: "sequence" }, String(request.sequence)),
    make("span", { class: "method" }, name(request.method || request.sent?.target || "unknown address")),
    make("span", { class: `outcome ${kind}` }, name(word)),
    make(
      "span",
      { class: "facts" },
      request.error ? [make("span", { class: "error" }, name(request.error)), " · "] : null,
      [
        clockTime(request.time, portalOffset()),
        request.auth,
        request.commands.length > 0 ? plural(request.commands.length, "command") : null,
        request.messages > 0 ? plural(request.messages, "message") : null,
        request.fault ? `fault ${request.fault}` : null,
        request.answer ? `${request.answer.took_ms.toFixed(request.answer.took_ms < 10 ? 1 : 0)} ms` : null,
      ]
        .filter((fact) => fact !== null)
        .join(" · "),
    ),
  );
};

const body = (text, type, leftOut, label) => [
  make("pre", { tabindex: 0, "aria-label": label, role: "region" }, plain(readable(text, type))),
  leftOut > 0 ? make("p", { class: "note" }, `${plural(leftOut, "byte")} more are not kept.`) : null,
];

const showDetail = ({ request, element }) => {
  const detail = element.lastChild;
  if (!element.open) {
    detail.replaceChildren();
    return;
  }
  const { sequence, sent, answer, commands, executed, bucket } = request;
  const facts = [
    executed ? "Executed." : "Not executed.",
    bucket === null ? null : `Level of the bucket ${bucket.toFixed(1)}.`,
    request.fault ? `Hit by the fault ${request.fault}.` : null,
  ];
  const problems = refusals(parsed(answer?.body ?? ""));
  detail.replaceChildren(
    make("p", { class: "note" }, facts.filter((fact) => fact !== null).join(" ")),
    ...(problems.length > 0 ? [make("p", { class: "note" }, "Refused messages:"), make("ul", {}, problems.slice(0, 20).map((problem) => make("li", {}, name(problem))))] : []),
    commands.length > 0
      ? table(
          ["Command", "Method", "Executed", "Error or fault"],
          commands.map((command) => [name(command.key), name(command.method), command.executed ? "yes" : "no", name(command.error ?? command.fault ?? "")]),
        )
      : "",
    ...(sent
      ? [
          make("h3", {}, "Request"),
          make("p", { class: "target" }, `${sent.method} `, name(decoded(sent.target))),
          sent.content_type ? make("p", { class: "note" }, plain(sent.content_type)) : "",
          ...(sent.body ? body(sent.body, sent.content_type, sent.left_out, `Body of request ${sequence}`) : []),
        ]
      : [make("p", { class: "note" }, "What travelled is not kept any more; the newest 200 requests are.")]),
    ...(answer ? [make("h3", {}, "Answer"), ...answerElements(request)] : []),
  );
};

const answerElements = ({ sequence, status, answer }) => {
  if (answer.ending !== "response") {
    const endings = {
      close: "The connection was closed without an answer.",
      reset: "The connection was reset without an answer.",
      silence: "Nothing was sent; the connection stays open.",
    };
    return [make("p", {}, endings[answer.ending])];
  }
  return [
    make("p", { class: "target" }, `HTTP ${status}`, answer.location ? [" to ", name(answer.location)] : null),
    make("p", { class: "note" }, plain(answer.content_type), answer.is_cut ? ". The connection closed in the middle of the body." : ""),
    ...(answer.body ? body(answer.body, answer.content_type, answer.left_out, `Answer to request ${sequence}`) : []),
  ].filter((element) => element !== null);
};

const openRequest = (sequence) => {
  const known = requests.get(sequence);
  if (!known) {
    tell("lost", `Request ${sequence} is not among the newest ${MOST_REQUESTS} any more; /sandbox/record has it.`);
    return;
  }
  byId("filter").value = "all";
  showRequests();
  known.element.open = true;
  known.element.scrollIntoView({ block: "nearest" });
  known.element.firstChild.focus();
};

byId("filter").addEventListener("change", () => showRequests());
