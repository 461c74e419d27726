// Calls with deadlines through connect-node: ADDRESS MILLISECONDS CALLS GAP_MILLISECONDS, with DESCRIPTORS, a file with the API.
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

const WARM_UP_CALLS = 20;

const [address, deadlineMs, calls, gapMs] = process.argv.slice(2);
const descriptors = fromBinary(FileDescriptorSetSchema, readFileSync(process.env.DESCRIPTORS));
const registry = createFileRegistry(descriptors);
const service = registry.getService("openlines.v1.OpenLinesService");
const client = createClient(service, createGrpcTransport({ baseUrl: `http://${address}` }));

async function errorOf(tenantId, timeoutMs) {
  const request = {
    tenantId,
    crmEntityType: 1,
    crmEntityId: 1195n,
    userId: 27n,
    portalChatId: 1341n,
    text: "text",
  };
  const headers = { authorization: `Bearer ${process.env.API_KEY}` };
  try {
    await client.sendCrmMessage(request, { timeoutMs, headers });
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("a call succeeded");
}

function hasOurDetails(error) {
  const details = error.findDetails(registry);
  return details.some(
    (detail) => detail.$typeName === "google.rpc.ErrorInfo" && detail.domain === "openlines.bitrix24",
  );
}

for (let call = 0; call < WARM_UP_CALLS; call++) {
  await errorOf("nobody", 10_000);
}
const begun = [];
for (let call = 0; call < Number(calls); call++) {
  begun.push(errorOf(`tenant-${call}`, Number(deadlineMs)));
  await setTimeout(Number(gapMs));
}
const errors = await Promise.all(begun);
for (const error of errors) {
  if (error.code !== Code.DeadlineExceeded) throw error;
}
const ours = errors.filter(hasOurDetails).length;
console.log(JSON.stringify({ ours, bare: errors.length - ours }));
// An open HTTP/2 session would keep the process alive.
process.exit(0);
