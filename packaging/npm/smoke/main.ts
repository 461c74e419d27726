// Sends a message with the installed stubs, and one that is refused: ADDRESS TENANT, with the variable API_KEY.
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "bitrix24-openlines-stubs/google/rpc/error_details_pb";
import { Tenant_State } from "bitrix24-openlines-stubs/openlines/tenants/v1/tenant_pb";
import {
  CrmEntityType,
  type SendCrmMessageResponse,
} from "bitrix24-openlines-stubs/openlines/v1/crm_message_pb";
import { ErrorReasonSchema } from "bitrix24-openlines-stubs/openlines/v1/error_reason_pb";
import { OpenLinesService } from "bitrix24-openlines-stubs/openlines/v1/open_lines_service_pb";

const TIMEOUT_MS = 20_000;

const [address, tenantId] = process.argv.slice(2);
const client = createClient(OpenLinesService, createGrpcTransport({ baseUrl: `http://${address}` }));

function send(text: string): Promise<SendCrmMessageResponse> {
  const request = {
    tenantId: tenantId ?? "",
    crmEntityType: CrmEntityType.LEAD,
    crmEntityId: 1195n,
    userId: 27n,
    portalChatId: 1341n,
    text,
  };
  const headers = { authorization: `Bearer ${process.env.API_KEY ?? ""}` };
  return client.sendCrmMessage(request, { timeoutMs: TIMEOUT_MS, headers });
}

function reasonOf(error: unknown): string {
  const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
  // A value that the stubs know.
  return ErrorReasonSchema.values.find((value) => value.name === info?.reason)?.name ?? "none";
}

const { portalMessageId } = await send("Your order has left our warehouse.");
console.log("message", portalMessageId.toString());
try {
  await send("");
} catch (error) {
  console.log("reason", reasonOf(error));
}
console.log("state", `STATE_${Tenant_State[Tenant_State.ACTIVE]}`);
