// Calls the service in every way that matters, and prints a line for each: examples/README.md has the table.

using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using OpenLines.V1;
using RpcStatus = Google.Rpc.Status;

var tenant = Variable("OPENLINES_TENANT");

// UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection
// broke, and the outcome is unknown: a retry is safe only because every call has a request_id.
var serviceConfig = new ServiceConfig
{
    // A headless Service has one address for each replica; without this all calls go to the first.
    LoadBalancingConfigs = { new RoundRobinConfig() },
    MethodConfigs =
    {
        new MethodConfig
        {
            Names = { new MethodName { Service = "openlines.v1.OpenLinesService" } },
            RetryPolicy = new RetryPolicy
            {
                MaxAttempts = 3,
                InitialBackoff = TimeSpan.FromSeconds(0.5),
                MaxBackoff = TimeSpan.FromSeconds(5),
                BackoffMultiplier = 2,
                RetryableStatusCodes = { StatusCode.Unavailable },
            },
        },
    },
    // While most calls fail, retries stop.
    RetryThrottling = new RetryThrottlingPolicy { MaxTokens = 10, TokenRatio = 0.1 },
};

using var channel = Connect();
var client = new OpenLinesService.OpenLinesServiceClient(channel);

Row("case", "status", "reason", "safe to repeat", "detail");

var request = CrmMessage(tenant);
var first = await client.SendCrmMessageAsync(request, deadline: Deadline());
Success("success", Replayed(first));

await PartialFailure();
var otherChat = CrmMessage(tenant);
otherChat.PortalChatId = 1342;
await Refused("refusal", client.SendCrmMessageAsync(otherChat, deadline: Deadline()));
var bad = CrmMessage(tenant);
bad.Text = "";
bad.UserId = -1;
await Refused("bad request", client.SendCrmMessageAsync(bad, deadline: Deadline()));
// Bitrix24 accepts one network message for each user and week.
await client.SendNetworkMessageAsync(NetworkMessage(tenant), deadline: Deadline());
await Refused("limit", client.SendNetworkMessageAsync(NetworkMessage(tenant), deadline: Deadline()));
await Refused("unavailable", client.SendCrmMessageAsync(CrmMessage($"{tenant}-away"), deadline: Deadline()));

// The same request with the same request_id: the service returns the first response and sends nothing.
var again = await client.SendCrmMessageAsync(request, deadline: Deadline());
var message = again.PortalMessageId == first.PortalMessageId ? "same message" : "another message";
Success("replay", again.Replayed ? $"{Replayed(again)}, {message}" : Replayed(again));

var soon = DateTime.UtcNow.AddSeconds(2);
await Refused("deadline", client.SendCrmMessageAsync(CrmMessage($"{tenant}-silent"), deadline: soon));

// A call that is cancelled while the portal works on it: the outcome is unknown.
using var cancellation = new CancellationTokenSource(TimeSpan.FromSeconds(0.5));
var silent = NetworkMessage($"{tenant}-silent");
await Refused("cancellation", client.SendNetworkMessageAsync(silent, deadline: Deadline(), cancellationToken: cancellation.Token));

await Stream();

static string Variable(string name) =>
    Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

static DateTime Deadline() => DateTime.UtcNow.AddSeconds(10);

// One channel for the whole program: it holds the connections.
GrpcChannel Connect()
{
    var roots = new X509Certificate2Collection();
    roots.ImportFromPemFile(Variable("OPENLINES_CA_FILE"));
    var trust = new X509ChainPolicy
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
    };
    trust.CustomTrustStore.AddRange(roots);

    var key = $"Bearer {Variable("OPENLINES_API_KEY")}";
    // Sent with each call, and never without TLS.
    var apiKey = CallCredentials.FromInterceptor((_, metadata) =>
    {
        metadata.Add("authorization", key);
        return Task.CompletedTask;
    });
    return GrpcChannel.ForAddress($"dns:///{Variable("OPENLINES_ADDRESS")}", new GrpcChannelOptions
    {
        Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, apiKey),
        HttpHandler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust },
            EnableMultipleHttp2Connections = true,
        },
        ServiceConfig = serviceConfig,
    });
}

// The idempotency key: a new one for each call, the same one for its retries.
static string NewRequestId() => Guid.NewGuid().ToString();

static SendCrmMessageRequest CrmMessage(string tenant) => new()
{
    TenantId = tenant,
    RequestId = NewRequestId(),
    CrmEntityType = CrmEntityType.Lead,
    CrmEntityId = 1195,
    UserId = 27,
    PortalChatId = 1341,
    Text = "Your order has left our warehouse.",
};

static SendNetworkMessageRequest NetworkMessage(string tenant) => new()
{
    TenantId = tenant,
    RequestId = NewRequestId(),
    LineCode = "ab515f5d85a8b844d484f6ea75a2e494",
    UserId = 2,
    Text = "Your order is on its way.",
};

static ConnectorMessage ConnectorMessage(string id) => new()
{
    User = new ExternalUser { Id = "customer-42", FirstName = "Ada" },
    Message = new ExternalMessage { Id = id, Text = "Good afternoon" },
    Chat = new ExternalChat { Id = "channel-123" },
};

// Reads a detail as a message of its own type.
static string Show(Any detail) => detail switch
{
    _ when detail.TryUnpack(out ErrorInfo info) =>
        $"ErrorInfo source={info.Metadata["errorSource"]} outcome={info.Metadata["outcome"]}",
    _ when detail.TryUnpack(out RequestInfo _) => "RequestInfo",
    _ when detail.TryUnpack(out Bitrix24Error error) => $"Bitrix24Error code={error.Code}",
    _ when detail.TryUnpack(out BadRequest bad) =>
        $"BadRequest fields={string.Join(",", bad.FieldViolations.Select(violation => violation.Field))}",
    _ when detail.TryUnpack(out PreconditionFailure failure) => $"PreconditionFailure type={failure.Violations[0].Type}",
    _ when detail.TryUnpack(out QuotaFailure quota) => $"QuotaFailure subject={quota.Violations[0].Subject}",
    _ when detail.TryUnpack(out RetryInfo retry) => $"RetryInfo seconds={retry.RetryDelay.Seconds}",
    _ when detail.TryUnpack(out ResourceInfo resource) => $"ResourceInfo name={resource.ResourceName}",
    _ when detail.TryUnpack(out Help help) => $"Help links={help.Links.Count}",
    _ => detail.TypeUrl,
};

static void Row(params string[] cells) => Console.Out.Write(string.Join(" | ", cells) + "\n");

static void Success(string name, string detail) => Row(name, "OK", "-", "-", detail);

// Whether a call may have been executed is in ErrorInfo. A status without it comes from the library.
static void Failure(string name, RpcStatus status)
{
    var info = status.Details
        .Select(detail => detail.TryUnpack(out ErrorInfo found) ? found : null)
        .FirstOrDefault(found => found is not null);
    var notExecuted = info is not null && info.Metadata.TryGetValue("outcome", out var outcome) && outcome == "not_executed";
    var details = string.Join("; ", status.Details.Select(Show));
    var code = Regex.Replace(((StatusCode)status.Code).ToString(), "(?<=[a-z])(?=[A-Z])", "_").ToUpperInvariant();
    Row(name, code, info?.Reason ?? "-", notExecuted ? "yes" : "with request_id", details.Length > 0 ? details : "-");
}

// A call that is expected to fail.
static async Task Refused<T>(string name, AsyncUnaryCall<T> call)
{
    try
    {
        await call;
        Success(name, "a failure was expected");
    }
    catch (RpcException error)
    {
        // The status with its details; one that the library made has none.
        Failure(name, error.GetRpcStatus() ?? new RpcStatus { Code = (int)error.StatusCode });
    }
}

static string Replayed(SendCrmMessageResponse response) => response.Replayed ? "replayed=yes" : "replayed=no";

// The call is OK, and each of its messages has a result of its own.
async Task PartialFailure()
{
    var messages = new SendConnectorMessagesRequest
    {
        TenantId = tenant,
        RequestId = NewRequestId(),
        ConnectorId = "myconnector",
        LineId = 107,
        Messages = { ConnectorMessage("m-1"), ConnectorMessage("m-refused") },
    };
    var response = await client.SendConnectorMessagesAsync(messages, deadline: Deadline());
    foreach (var (result, index) in response.Results.Select((result, index) => (result, index)))
    {
        var name = $"partial failure, message {index + 1}";
        if (result.OutcomeCase == ConnectorMessageResult.OutcomeOneofCase.Accepted)
        {
            Success(name, "accepted");
        }
        else
        {
            Failure(name, result.Error);
        }
    }
}

// Many items through one stream. Results come in any order; the key says which item one belongs to.
async Task Stream()
{
    using var call = client.StreamingSendMessages(deadline: Deadline());
    var results = new SortedDictionary<string, StreamingSendMessagesResponse>(StringComparer.Ordinal);
    // Results are read while items are written: otherwise the service stops to read.
    var reading = Task.Run(async () =>
    {
        await foreach (var result in call.ResponseStream.ReadAllAsync())
        {
            results[result.ItemKey] = result;
        }
    });
    for (var number = 1; number <= 5; number++)
    {
        var item = CrmMessage(tenant);
        item.PortalChatId = number == 3 ? 1342 : 1341;
        // Waits while the service takes no further item.
        await call.RequestStream.WriteAsync(new StreamingSendMessagesRequest { ItemKey = $"item-{number}", CrmMessage = item });
    }
    await call.RequestStream.CompleteAsync();
    await reading;

    foreach (var (key, result) in results)
    {
        if (result.ResultCase == StreamingSendMessagesResponse.ResultOneofCase.Error)
        {
            Failure($"stream, {key}", result.Error);
        }
        else
        {
            Success($"stream, {key}", Replayed(result.CrmMessage));
        }
    }
}
