// Calls the service in every way that matters, and prints a line for each: examples/README.md has the table.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { credentials, Metadata, status, type CallOptions, type ClientUnaryCall, type ServiceError } from "@grpc/grpc-js";
import type { Any } from "./gen/google/protobuf/any.js";
import {
  BadRequest,
  ErrorInfo,
  Help,
  PreconditionFailure,
  QuotaFailure,
  ResourceInfo,
  RetryInfo,
} from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";
import { Bitrix24Error } from "./gen/openlines/v1/bitrix24_error.js";
import { SendConnectorMessagesRequest } from "./gen/openlines/v1/connector_messages.js";
import { CrmEntityType, SendCrmMessageRequest, type SendCrmMessageResponse } from "./gen/openlines/v1/crm_message.js";
import { SendNetworkMessageRequest } from "./gen/openlines/v1/network_message.js";
import { OpenLinesServiceClient } from "./gen/openlines/v1/open_lines_service.js";
import { StreamingSendMessagesRequest, type StreamingSendMessagesResponse } from "./gen/openlines/v1/streaming.js";

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const tenant = variable("OPENLINES_TENANT");
const apiKey = variable("OPENLINES_API_KEY");
const timeoutMs = 10_000;

// UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection broke, and
// the outcome is unknown: a retry is safe only because every call has a request_id.
const serviceConfig = {
  // A headless Service has one address for each replica; without this all calls go to the first.
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "openlines.v1.OpenLinesService" }],
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "0.5s",
        maxBackoff: "5s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
  // While most calls fail, retries stop.
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
};

// Sent with each call, and never without TLS.
const key = credentials.createFromMetadataGenerator((_, callback) => {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${apiKey}`);
  callback(null, metadata);
});

// One client for the whole program: it holds the connections.
const client = new OpenLinesServiceClient(
  `dns:///${variable("OPENLINES_ADDRESS")}`,
  credentials.combineChannelCredentials(credentials.createSsl(readFileSync(variable("OPENLINES_CA_FILE"))), key),
  { "grpc.service_config": JSON.stringify(serviceConfig) },
);

const options = (timeoutMs: number): Partial<CallOptions> => ({ deadline: Date.now() + timeoutMs });

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

// A call with a deadline, as a promise. `started` gets the call, to cancel it.
function call<Request, Response>(
  method: Method<Request, Response>,
  request: Request,
  timeout = timeoutMs,
  started: (call: ClientUnaryCall) => void = () => {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const ended = (error: ServiceError | null, response: Response) => (error ? reject(error) : resolve(response));
    started(method.call(client, request, new Metadata(), options(timeout), ended));
  });
}

// Each has a new request_id: the idempotency key, which a retry of the same call keeps.
const crmMessage = (fields: Partial<SendCrmMessageRequest> = {}) =>
  SendCrmMessageRequest.fromPartial({
    tenantId: tenant,
    requestId: randomUUID(),
    crmEntityType: CrmEntityType.CRM_ENTITY_TYPE_LEAD,
    crmEntityId: 1195n,
    userId: 27n,
    portalChatId: 1341n,
    text: "Your order has left our warehouse.",
    ...fields,
  });

const networkMessage = (tenantId = tenant) =>
  SendNetworkMessageRequest.fromPartial({
    tenantId,
    requestId: randomUUID(),
    lineCode: "ab515f5d85a8b844d484f6ea75a2e494",
    userId: 2n,
    text: "Your order is on its way.",
  });

const connectorMessages = (...ids: string[]) =>
  SendConnectorMessagesRequest.fromPartial({
    tenantId: tenant,
    requestId: randomUUID(),
    connectorId: "myconnector",
    lineId: 107n,
    messages: ids.map((id) => ({
      user: { id: "customer-42", firstName: "Ada" },
      message: { id, text: "Good afternoon" },
      chat: { id: "channel-123" },
    })),
  });

const typeOf = (detail: Any) => detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1);

// Reads one detail by its type.
function show(detail: Any): string {
  switch (typeOf(detail)) {
    case "google.rpc.ErrorInfo": {
      const { metadata } = ErrorInfo.decode(detail.value);
      return `ErrorInfo source=${metadata.errorSource} outcome=${metadata.outcome}`;
    }
    case "google.rpc.RequestInfo":
      return "RequestInfo";
    case "google.rpc.BadRequest": {
      const { fieldViolations } = BadRequest.decode(detail.value);
      return `BadRequest fields=${fieldViolations.map((violation) => violation.field).join(",")}`;
    }
    case "google.rpc.PreconditionFailure":
      return `PreconditionFailure type=${PreconditionFailure.decode(detail.value).violations[0]?.type}`;
    case "google.rpc.QuotaFailure":
      return `QuotaFailure subject=${QuotaFailure.decode(detail.value).violations[0]?.subject}`;
    case "google.rpc.RetryInfo":
      return `RetryInfo seconds=${RetryInfo.decode(detail.value).retryDelay?.seconds}`;
    case "google.rpc.ResourceInfo":
      return `ResourceInfo name=${ResourceInfo.decode(detail.value).resourceName}`;
    case "google.rpc.Help":
      return `Help links=${Help.decode(detail.value).links.length}`;
    case "openlines.v1.Bitrix24Error":
      return `Bitrix24Error code=${Bitrix24Error.decode(detail.value).code}`;
    default:
      return detail.typeUrl;
  }
}

const row = (...cells: string[]) => console.log(cells.join(" | "));

const success = (name: string, detail: string) => row(name, "OK", "-", "-", detail);

// Whether a call may have been executed is in ErrorInfo. A status without it comes from the library.
function failure(name: string, code: number, details: Any[]) {
  const packed = details.find((detail) => typeOf(detail) === "google.rpc.ErrorInfo");
  const info = packed && ErrorInfo.decode(packed.value);
  const repeat = info?.metadata.outcome === "not_executed" ? "yes" : "with request_id";
  row(name, status[code] ?? String(code), info?.reason ?? "-", repeat, details.map(show).join("; ") || "-");
}

// The library does not read details: they are a google.rpc.Status in the trailers.
function detailsOf(error: ServiceError): Any[] {
  const [packed] = error.metadata.get("grpc-status-details-bin");
  return packed instanceof Buffer ? Status.decode(packed).details : [];
}

// A call that is expected to fail.
const refused = (name: string, call: Promise<unknown>) =>
  call.then(
    () => success(name, "a failure was expected"),
    (error: ServiceError) => failure(name, error.code, detailsOf(error)),
  );

// The call is OK, and each of its messages has a result of its own.
async function partialFailure() {
  const { results } = await call(client.sendConnectorMessages, connectorMessages("m-1", "m-refused"));
  for (const [index, { outcome }] of results.entries()) {
    const name = `partial failure, message ${index + 1}`;
    if (outcome?.$case === "accepted") success(name, "accepted");
    if (outcome?.$case === "error") failure(name, outcome.value.code, outcome.value.details);
  }
}

const replayed = (response: SendCrmMessageResponse) => `replayed=${response.replayed ? "yes" : "no"}`;

// The same request with the same request_id: the service returns the first response and sends nothing.
async function replay(request: SendCrmMessageRequest, first: SendCrmMessageResponse) {
  const again = await call(client.sendCrmMessage, request);
  const message = again.portalMessageId === first.portalMessageId ? "same message" : "another message";
  success("replay", again.replayed ? `${replayed(again)}, ${message}` : replayed(again));
}

// A call that is cancelled while the portal works on it: the outcome is unknown.
const cancellation = () =>
  refused(
    "cancellation",
    call(client.sendNetworkMessage, networkMessage(`${tenant}-silent`), timeoutMs, (started) => {
      setTimeout(() => started.cancel(), 500);
    }),
  );

// Read from where the messages are.
function* items() {
  for (let number = 1; number <= 5; number++) {
    const message = crmMessage(number === 3 ? { portalChatId: 1342n } : {});
    yield StreamingSendMessagesRequest.fromPartial({
      itemKey: `item-${number}`,
      operation: { $case: "crmMessage", value: message },
    });
  }
}

// Many items through one stream. Results come in any order; the key says which item one belongs to.
async function stream() {
  const open = client.streamingSendMessages(new Metadata(), options(timeoutMs));
  const send = async () => {
    for (const item of items()) {
      // The service takes no more items for now: results go on to come.
      if (!open.write(item)) await once(open, "drain");
    }
    open.end();
  };
  const results: StreamingSendMessagesResponse[] = [];
  const receive = async () => {
    for await (const result of open) results.push(result);
  };
  await Promise.all([send(), receive()]);
  results.sort((a, b) => a.itemKey.localeCompare(b.itemKey));
  for (const { itemKey, result } of results) {
    const name = `stream, ${itemKey}`;
    if (result?.$case === "error") failure(name, result.value.code, result.value.details);
    if (result?.$case === "crmMessage") success(name, replayed(result.value));
  }
}

// Sends a message every 20 ms until the input ends, and prints the status of each: to watch while replicas come and go.
async function repeat() {
  let ended = false;
  process.stdin.resume().once("end", () => (ended = true));
  while (!ended) {
    await call(client.sendCrmMessage, crmMessage()).then(
      () => row("OK"),
      (error: ServiceError) => row(status[error.code] ?? String(error.code)),
    );
    await pause(20);
  }
  client.close();
}

if (process.argv.includes("repeat")) {
  await repeat();
  process.exit();
}

row("case", "status", "reason", "safe to repeat", "detail");
const request = crmMessage();
const first = await call(client.sendCrmMessage, request);
success("success", replayed(first));
await partialFailure();
await refused("refusal", call(client.sendCrmMessage, crmMessage({ portalChatId: 1342n })));
await refused("bad request", call(client.sendCrmMessage, crmMessage({ text: "", userId: -1n })));
// Bitrix24 accepts one network message for each user and week.
await call(client.sendNetworkMessage, networkMessage());
await refused("limit", call(client.sendNetworkMessage, networkMessage()));
await refused("unavailable", call(client.sendCrmMessage, crmMessage({ tenantId: `${tenant}-away` })));
await replay(request, first);
await refused("deadline", call(client.sendCrmMessage, crmMessage({ tenantId: `${tenant}-silent` }), 5000));
await cancellation();
await stream();
client.close();
