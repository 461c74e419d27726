// Calls the service in every way that matters, and prints a line for each: examples/README.md has the table.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { create, createRegistry, isMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  HelpSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import type { Status } from "./gen/google/rpc/status_pb.js";
import { Bitrix24ErrorSchema } from "./gen/openlines/v1/bitrix24_error_pb.js";
import { SendConnectorMessagesRequestSchema } from "./gen/openlines/v1/connector_messages_pb.js";
import { CrmEntityType, SendCrmMessageRequestSchema, type SendCrmMessageRequest, type SendCrmMessageResponse } from "./gen/openlines/v1/crm_message_pb.js";
import { SendNetworkMessageRequestSchema } from "./gen/openlines/v1/network_message_pb.js";
import { OpenLinesService } from "./gen/openlines/v1/open_lines_service_pb.js";
import { StreamingSendMessagesRequestSchema } from "./gen/openlines/v1/streaming_pb.js";

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const tenant = variable("OPENLINES_TENANT");
const apiKey = variable("OPENLINES_API_KEY");
const timeoutMs = 10_000;

const withKey: Interceptor = (next) => (request) => {
  request.header.set("authorization", `Bearer ${apiKey}`);
  return next(request);
};

// UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection broke, and
// the outcome is unknown: a retry is safe only because every call has a request_id.
const withRetries: Interceptor = (next) => async (request) => {
  // What a stream has sent is gone: the program that reads the items has to send those again that got no result.
  if (request.stream) return next(request);
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (cause) {
      const error = ConnectError.from(cause);
      if (error.code !== Code.Unavailable || attempt === 3) throw error;
      // The service may say how long to wait. Otherwise wait a little longer each time, and not in step with other programs.
      const asked = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
      const pauseMs = asked ? Number(asked.seconds) * 1000 + asked.nanos / 1e6 : Math.random() * 500 * 2 ** (attempt - 1);
      // The signal is that of the call: it ends with the deadline.
      await setTimeout(pauseMs, undefined, { signal: request.signal }).catch(() => {
        throw error;
      });
    }
  }
};

// One transport for the whole program: it holds the connection.
const transport = createGrpcTransport({
  baseUrl: `https://${variable("OPENLINES_ADDRESS")}`,
  nodeOptions: { ca: readFileSync(variable("OPENLINES_CA_FILE")) },
  interceptors: [withKey, withRetries],
});
const client: Client<typeof OpenLinesService> = createClient(OpenLinesService, transport);

// Each has a new request_id: the idempotency key, which a retry of the same call keeps.
function crmMessage(fields: MessageInitShape<typeof SendCrmMessageRequestSchema> = {}) {
  return create(SendCrmMessageRequestSchema, {
    tenantId: tenant,
    requestId: randomUUID(),
    crmEntityType: CrmEntityType.LEAD,
    crmEntityId: 1195n,
    userId: 27n,
    portalChatId: 1341n,
    text: "Your order has left our warehouse.",
    ...fields,
  });
}

function networkMessage(tenantId = tenant) {
  return create(SendNetworkMessageRequestSchema, {
    tenantId,
    requestId: randomUUID(),
    lineCode: "ab515f5d85a8b844d484f6ea75a2e494",
    userId: 2n,
    text: "Your order is on its way.",
  });
}

function connectorMessages(...ids: string[]) {
  return create(SendConnectorMessagesRequestSchema, {
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
}

// The types of details that a status may have.
const detailTypes = createRegistry(
  BadRequestSchema,
  Bitrix24ErrorSchema,
  ErrorInfoSchema,
  HelpSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
);

// Reads one detail by its type.
function show(detail: Message): string {
  if (isMessage(detail, ErrorInfoSchema)) {
    return `ErrorInfo source=${detail.metadata.errorSource} outcome=${detail.metadata.outcome}`;
  }
  if (isMessage(detail, RequestInfoSchema)) return "RequestInfo";
  if (isMessage(detail, BadRequestSchema)) {
    return `BadRequest fields=${detail.fieldViolations.map((violation) => violation.field).join(",")}`;
  }
  if (isMessage(detail, PreconditionFailureSchema)) return `PreconditionFailure type=${detail.violations[0]?.type}`;
  if (isMessage(detail, QuotaFailureSchema)) return `QuotaFailure subject=${detail.violations[0]?.subject}`;
  if (isMessage(detail, RetryInfoSchema)) return `RetryInfo seconds=${detail.retryDelay?.seconds}`;
  if (isMessage(detail, ResourceInfoSchema)) return `ResourceInfo name=${detail.resourceName}`;
  if (isMessage(detail, HelpSchema)) return `Help links=${detail.links.length}`;
  if (isMessage(detail, Bitrix24ErrorSchema)) return `Bitrix24Error code=${detail.code}`;
  return detail.$typeName;
}

const row = (...cells: string[]) => console.log(cells.join(" | "));

const success = (name: string, detail: string) => row(name, "OK", "-", "-", detail);

// Whether a call may have been executed is in ErrorInfo. A status without it comes from the library.
function failure(name: string, code: Code, details: Message[]) {
  const info = details.find((detail) => isMessage(detail, ErrorInfoSchema));
  const status = code === Code.Canceled ? "CANCELLED" : Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
  const repeat = info?.metadata.outcome === "not_executed" ? "yes" : "with request_id";
  row(name, status, info?.reason ?? "-", repeat, details.map(show).join("; ") || "-");
}

const failureOfCall = (name: string, cause: unknown) => {
  const error = ConnectError.from(cause);
  failure(name, error.code, error.findDetails(detailTypes));
};

const failureOfItem = (name: string, status: Status) =>
  failure(name, status.code, status.details.flatMap((packed) => anyUnpack(packed, detailTypes) ?? []));

// A call that is expected to fail.
async function refused(name: string, call: Promise<Message>) {
  await call.then(
    () => success(name, "a failure was expected"),
    (cause: unknown) => failureOfCall(name, cause),
  );
}

// The call is OK, and each of its messages has a result of its own.
async function partialFailure() {
  const { results } = await client.sendConnectorMessages(connectorMessages("m-1", "m-refused"), { timeoutMs });
  for (const [index, { outcome }] of results.entries()) {
    const name = `partial failure, message ${index + 1}`;
    if (outcome.case === "accepted") success(name, "accepted");
    if (outcome.case === "error") failureOfItem(name, outcome.value);
  }
}

const replayed = (response: SendCrmMessageResponse) => `replayed=${response.replayed ? "yes" : "no"}`;

// The same request with the same request_id: the service returns the first response and sends nothing.
async function replay(request: SendCrmMessageRequest, first: SendCrmMessageResponse) {
  const again = await client.sendCrmMessage(request, { timeoutMs });
  const message = again.portalMessageId === first.portalMessageId ? "same message" : "another message";
  success("replay", again.replayed ? `${replayed(again)}, ${message}` : replayed(again));
}

// A call that is cancelled while the portal works on it: the outcome is unknown.
async function cancellation() {
  const canceller = new AbortController();
  const call = client.sendNetworkMessage(networkMessage(`${tenant}-silent`), { timeoutMs, signal: canceller.signal });
  const ended = refused("cancellation", call);
  await setTimeout(500);
  canceller.abort();
  await ended;
}

// Read from where the messages are. The library asks for the next item when there is room for it.
async function* items() {
  for (let number = 1; number <= 5; number++) {
    const message = crmMessage(number === 3 ? { portalChatId: 1342n } : {});
    yield create(StreamingSendMessagesRequestSchema, {
      itemKey: `item-${number}`,
      operation: { case: "crmMessage", value: message },
    });
  }
}

// Many items through one stream. Results come in any order; the key says which item one belongs to.
async function stream() {
  const results = [];
  for await (const result of client.streamingSendMessages(items(), { timeoutMs })) results.push(result);
  results.sort((a, b) => a.itemKey.localeCompare(b.itemKey));
  for (const { itemKey, result } of results) {
    const name = `stream, ${itemKey}`;
    if (result.case === "error") failureOfItem(name, result.value);
    if (result.case === "crmMessage") success(name, replayed(result.value));
  }
}

row("case", "status", "reason", "safe to repeat", "detail");
const request = crmMessage();
const first = await client.sendCrmMessage(request, { timeoutMs });
success("success", replayed(first));
await partialFailure();
await refused("refusal", client.sendCrmMessage(crmMessage({ portalChatId: 1342n }), { timeoutMs }));
await refused("bad request", client.sendCrmMessage(crmMessage({ text: "", userId: -1n }), { timeoutMs }));
// Bitrix24 accepts one network message for each user and week.
await client.sendNetworkMessage(networkMessage(), { timeoutMs });
await refused("limit", client.sendNetworkMessage(networkMessage(), { timeoutMs }));
await refused("unavailable", client.sendCrmMessage(crmMessage({ tenantId: `${tenant}-away` }), { timeoutMs }));
await replay(request, first);
await refused("deadline", client.sendCrmMessage(crmMessage({ tenantId: `${tenant}-silent` }), { timeoutMs: 5000 }));
await cancellation();
await stream();
// The open connection would keep the process alive.
process.exit();
