"use strict";
// Everything is set as text: nothing that the service tells becomes markup.
const POLL_MS = 2000;
const at = (id) => document.getElementById(id);
let first = null;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function number(value) {
  return Number(value).toLocaleString("en", { maximumFractionDigits: 1 });
}

function megabytes(bytes) {
  return number(bytes / 1048576) + " MiB";
}

// Rows of cells: each a text, or an element.
function fill(id, rows, empty) {
  const body = at(id);
  const made = rows.map((cells) => {
    const row = document.createElement("tr");
    cells.forEach((cell, index) => {
      const isElement = cell instanceof Element;
      const holder = document.createElement(index === 0 ? "th" : "td");
      if (index === 0) holder.scope = "row";
      if (isElement) holder.append(cell);
      else {
        holder.textContent = String(cell);
        if (typeof cell === "number") {
          holder.textContent = number(cell);
          holder.className = "number";
        }
      }
      row.append(holder);
    });
    return row;
  });
  if (!made.length) {
    const row = document.createElement("tr");
    const cell = element("td", empty, "none");
    cell.colSpan = body.parentElement.tHead.rows[0].cells.length;
    row.append(cell);
    made.push(row);
  }
  body.replaceChildren(...made);
}

function numbers(pairs) {
  const made = pairs.map(([name, value, note]) => {
    const pair = document.createElement("div");
    const told = element("dd", value);
    if (note) told.append(" ", element("small", note));
    pair.append(element("dt", name), told);
    return pair;
  });
  at("numbers").replaceChildren(...made);
}

function show(status) {
  const { service, readiness, calls, connections, replicas, portals, log, tenants } = status;
  first ??= calls.by_code;
  at("version").textContent = service.version + " (" + service.revision + ", Rust " + service.rust_version + ")";
  const state = at("state");
  state.textContent = (readiness.ready ? "Ready" : "Not ready") + ", " + readiness.service + ", started " + service.started;
  state.className = readiness.ready ? "good" : "bad";
  numbers([
    ["Calls in progress", number(calls.in_progress), "of " + number(calls.in_progress_limit)],
    ["Queued, interactive", number(calls.waiting_interactive), "of " + number(calls.waiting_limit)],
    ["Queued, bulk", number(calls.waiting_bulk)],
    ["Size of the queue", megabytes(calls.waiting_bytes), "of " + megabytes(calls.waiting_bytes_limit)],
    ["Replicas", replicas.living ? number(replicas.living) : "1", replicas.isolated ? "isolated" : ""],
    ["Tenants", number(tenants.all ?? 0), number(tenants.reauthorization_required ?? 0) + " need reauthorization"],
    ["Connections of callers", number(connections.callers), number(connections.strangers) + " without credential"],
    ["Connections to portals", number(connections.portals_in_use), number(connections.portals_idle) + " idle"],
    ["Open breakers", number(portals.open_breakers)],
    ["Memory", megabytes(service.memory_bytes)],
    ["Processor time", number(service.cpu_seconds) + " s"],
    ["Lost log lines", number(log.lost_lines)],
    ["Lost spans", number(log.lost_spans), number(log.lost_transmissions) + " transmissions of metrics"],
    ["Log filter", log.filter ?? "none"],
  ]);
  fill("dependencies", readiness.dependencies.map((one) => [
    one.name,
    element("span", one.state, one.state === "works" ? "good" : "bad"),
    number(one.for_seconds) + " s",
    one.required ? "yes" : "no",
    one.problem ?? "",
  ]), "None.");
  at("portals-known").textContent = number(portals.known) + " in memory. Those that need attention come first, then the busiest; "
    + portals.busiest.length + " are shown.";
  fill("portals", portals.busiest.map((one) => [
    one.host,
    one.waiting,
    one.in_flight,
    one.bucket_fill === null ? "no limit" : Math.round(one.bucket_fill * 100) + " % full",
    element("span", one.breaker_open ? "open" : "closed", one.breaker_open ? "bad" : "good"),
    one.backoff_seconds > 0 ? number(one.backoff_seconds) + " s" : "",
    one.held_conversations,
  ]), "No portal is in use.");
  fill("codes", Object.entries(calls.by_code).map(([code, count]) => [
    code, count, count - (first[code] ?? 0),
  ]), "No call has ended.");
  fill("failures", status.last_failures.map((one) => [
    one.at, one.operation, one.tenant ?? "", one.code, one.reason ?? "",
  ]), "None.");
}

async function poll() {
  try {
    const answer = await fetch("/status", { cache: "no-store" });
    if (!answer.ok) throw new Error("HTTP status " + answer.status);
    show(await answer.json());
  } catch (error) {
    const state = at("state");
    state.textContent = "The service does not answer: " + error.message;
    state.className = "bad";
  }
  setTimeout(poll, POLL_MS);
}

poll();
