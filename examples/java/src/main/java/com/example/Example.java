package com.example;

import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.gson.Gson;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Help;
import com.google.rpc.PreconditionFailure;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import openlines.v1.Bitrix24Error;
import openlines.v1.ConnectorMessage;
import openlines.v1.ConnectorMessageResult;
import openlines.v1.CrmEntityType;
import openlines.v1.ExternalChat;
import openlines.v1.ExternalMessage;
import openlines.v1.ExternalUser;
import openlines.v1.OpenLinesServiceGrpc;
import openlines.v1.SendConnectorMessagesRequest;
import openlines.v1.SendCrmMessageRequest;
import openlines.v1.SendCrmMessageResponse;
import openlines.v1.SendNetworkMessageRequest;
import openlines.v1.StreamingSendMessagesRequest;
import openlines.v1.StreamingSendMessagesResponse;

/** Calls the service in every way that matters, and prints a line for each: examples/README.md has the table. */
public final class Example {
  private static final String TENANT = variable("OPENLINES_TENANT");
  private static final long DEADLINE_SECONDS = 10;

  // UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection
  // broke, and the outcome is unknown: a retry is safe only because every call has a request_id.
  // Without round_robin all calls go to the first address of a headless Service; without retryThrottling retries go on
  // while most calls fail.
  private static final String SERVICE_CONFIG =
      """
      {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{
          "name": [{"service": "openlines.v1.OpenLinesService"}],
          "retryPolicy": {
            "maxAttempts": 3,
            "initialBackoff": "0.5s",
            "maxBackoff": "5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"]
          }
        }],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
      }
      """;

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel = connect();
    try {
      var example = new Example(channel);
      if (List.of(arguments).contains("repeat")) {
        example.repeat();
      } else {
        example.run();
      }
    } finally {
      channel.shutdownNow();
    }
  }

  private final OpenLinesServiceGrpc.OpenLinesServiceBlockingStub blocking;
  private final OpenLinesServiceGrpc.OpenLinesServiceStub async;

  private Example(ManagedChannel channel) {
    blocking = OpenLinesServiceGrpc.newBlockingStub(channel);
    async = OpenLinesServiceGrpc.newStub(channel);
  }

  /** One channel for the whole program: it holds the connections. */
  private static ManagedChannel connect() throws IOException {
    var tls =
        TlsChannelCredentials.newBuilder()
            .trustManager(new File(variable("OPENLINES_CA_FILE")))
            .build();
    var headers = new Metadata();
    headers.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
        "Bearer " + variable("OPENLINES_API_KEY"));
    @SuppressWarnings("unchecked")
    Map<String, ?> config = new Gson().fromJson(SERVICE_CONFIG, Map.class);
    return Grpc.newChannelBuilder("dns:///" + variable("OPENLINES_ADDRESS"), tls)
        .defaultServiceConfig(config)
        .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
        .build();
  }

  private static String variable(String name) {
    return Objects.requireNonNull(System.getenv(name), name + " is not set");
  }

  /** A stub whose next call has the usual deadline: it counts from here, not from the call. */
  private OpenLinesServiceGrpc.OpenLinesServiceBlockingStub client() {
    return blocking.withDeadlineAfter(DEADLINE_SECONDS, SECONDS);
  }

  /** The idempotency key: a new one for each call, the same one for its retries. */
  private static String newRequestId() {
    return UUID.randomUUID().toString();
  }

  private static SendCrmMessageRequest.Builder crmMessage(String tenant) {
    return SendCrmMessageRequest.newBuilder()
        .setTenantId(tenant)
        .setRequestId(newRequestId())
        .setCrmEntityType(CrmEntityType.CRM_ENTITY_TYPE_LEAD)
        .setCrmEntityId(1195)
        .setUserId(27)
        .setPortalChatId(1341)
        .setText("Your order has left our warehouse.");
  }

  private static SendNetworkMessageRequest networkMessage(String tenant) {
    return SendNetworkMessageRequest.newBuilder()
        .setTenantId(tenant)
        .setRequestId(newRequestId())
        .setLineCode("ab515f5d85a8b844d484f6ea75a2e494")
        .setUserId(2)
        .setText("Your order is on its way.")
        .build();
  }

  private static ConnectorMessage connectorMessage(String id) {
    return ConnectorMessage.newBuilder()
        .setUser(ExternalUser.newBuilder().setId("customer-42").setFirstName("Ada"))
        .setMessage(ExternalMessage.newBuilder().setId(id).setText("Good afternoon"))
        .setChat(ExternalChat.newBuilder().setId("channel-123"))
        .build();
  }

  private static final List<Class<? extends Message>> DETAILS =
      List.of(
          ErrorInfo.class,
          RequestInfo.class,
          Bitrix24Error.class,
          BadRequest.class,
          PreconditionFailure.class,
          QuotaFailure.class,
          RetryInfo.class,
          ResourceInfo.class,
          Help.class);

  /** A detail as a message of its own type, or as it came if the type is unknown. */
  private static Message unpack(Any detail) {
    for (Class<? extends Message> type : DETAILS) {
      if (detail.is(type)) {
        try {
          return detail.unpack(type);
        } catch (InvalidProtocolBufferException damaged) {
          return detail;
        }
      }
    }
    return detail;
  }

  private static String show(Message detail) {
    if (detail instanceof ErrorInfo info) {
      Map<String, String> metadata = info.getMetadataMap();
      return "ErrorInfo source=%s outcome=%s".formatted(metadata.get("errorSource"), metadata.get("outcome"));
    } else if (detail instanceof RequestInfo) {
      return "RequestInfo";
    } else if (detail instanceof Bitrix24Error error) {
      return "Bitrix24Error code=" + error.getCode();
    } else if (detail instanceof BadRequest bad) {
      return bad.getFieldViolationsList().stream()
          .map(BadRequest.FieldViolation::getField)
          .collect(Collectors.joining(",", "BadRequest fields=", ""));
    } else if (detail instanceof PreconditionFailure failure) {
      return "PreconditionFailure type=" + failure.getViolations(0).getType();
    } else if (detail instanceof QuotaFailure quota) {
      return "QuotaFailure subject=" + quota.getViolations(0).getSubject();
    } else if (detail instanceof RetryInfo retry) {
      return "RetryInfo seconds=" + retry.getRetryDelay().getSeconds();
    } else if (detail instanceof ResourceInfo resource) {
      return "ResourceInfo name=" + resource.getResourceName();
    } else if (detail instanceof Help help) {
      return "Help links=" + help.getLinksCount();
    }
    return ((Any) detail).getTypeUrl();
  }

  private static void row(String... cells) {
    System.out.println(String.join(" | ", cells));
  }

  private static void success(String name, String detail) {
    row(name, "OK", "-", "-", detail);
  }

  /** Whether a call may have been executed is in ErrorInfo. A status without it comes from the library. */
  private static void failure(String name, com.google.rpc.Status status) {
    List<Message> details = status.getDetailsList().stream().map(Example::unpack).toList();
    ErrorInfo info =
        details.stream()
            .flatMap(detail -> detail instanceof ErrorInfo found ? Stream.of(found) : Stream.empty())
            .findFirst()
            .orElse(null);
    boolean notExecuted = info != null && "not_executed".equals(info.getMetadataMap().get("outcome"));
    String shown = details.stream().map(Example::show).collect(Collectors.joining("; "));
    row(
        name,
        Status.fromCodeValue(status.getCode()).getCode().name(),
        info == null ? "-" : info.getReason(),
        notExecuted ? "yes" : "with request_id",
        shown.isEmpty() ? "-" : shown);
  }

  /** A call that is expected to fail. */
  private static void refused(String name, Runnable call) {
    try {
      call.run();
      success(name, "a failure was expected");
    } catch (StatusRuntimeException error) {
      // The status with its details; one that the library made has none.
      failure(name, StatusProto.fromThrowable(error));
    }
  }

  private static String replayed(SendCrmMessageResponse response) {
    return response.getReplayed() ? "replayed=yes" : "replayed=no";
  }

  private void run() throws Exception {
    row("case", "status", "reason", "safe to repeat", "detail");

    SendCrmMessageRequest request = crmMessage(TENANT).build();
    SendCrmMessageResponse first = client().sendCrmMessage(request);
    success("success", replayed(first));

    partialFailure();
    refused("refusal", () -> client().sendCrmMessage(crmMessage(TENANT).setPortalChatId(1342).build()));
    refused("bad request", () -> client().sendCrmMessage(crmMessage(TENANT).setText("").setUserId(-1).build()));
    // Bitrix24 accepts one network message for each user and week.
    client().sendNetworkMessage(networkMessage(TENANT));
    refused("limit", () -> client().sendNetworkMessage(networkMessage(TENANT)));
    refused("unavailable", () -> client().sendCrmMessage(crmMessage(TENANT + "-away").build()));
    replay(request, first);
    SendCrmMessageRequest silent = crmMessage(TENANT + "-silent").build();
    refused("deadline", () -> blocking.withDeadlineAfter(2, SECONDS).sendCrmMessage(silent));
    cancellation();
    stream();
  }

  /** Sends a message every 20 ms until its input ends, and prints the status of each: to watch while replicas come and go. */
  private void repeat() throws Exception {
    var input = CompletableFuture.runAsync(Example::readInput);
    while (!input.isDone()) {
      try {
        client().sendCrmMessage(crmMessage(TENANT).build());
        System.out.println("OK");
      } catch (StatusRuntimeException error) {
        System.out.println(error.getStatus().getCode());
      }
      Thread.sleep(20);
    }
  }

  private static void readInput() {
    try {
      System.in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException broken) {
      throw new UncheckedIOException(broken);
    }
  }

  /** The call is OK, and each of its messages has a result of its own. */
  private void partialFailure() {
    var request =
        SendConnectorMessagesRequest.newBuilder()
            .setTenantId(TENANT)
            .setRequestId(newRequestId())
            .setConnectorId("myconnector")
            .setLineId(107)
            .addMessages(connectorMessage("m-1"))
            .addMessages(connectorMessage("m-refused"))
            .build();
    int number = 0;
    for (ConnectorMessageResult result : client().sendConnectorMessages(request).getResultsList()) {
      String name = "partial failure, message " + ++number;
      switch (result.getOutcomeCase()) {
        case ACCEPTED -> success(name, "accepted");
        default -> failure(name, result.getError());
      }
    }
  }

  /** The same request with the same request_id: the service returns the first response and sends nothing. */
  private void replay(SendCrmMessageRequest request, SendCrmMessageResponse first) {
    SendCrmMessageResponse again = client().sendCrmMessage(request);
    boolean same = again.getPortalMessageId() == first.getPortalMessageId();
    String message = again.getReplayed() ? (same ? ", same message" : ", another message") : "";
    success("replay", replayed(again) + message);
  }

  /** A call that is cancelled while the portal works on it: the outcome is unknown. */
  private void cancellation() {
    var timer = Executors.newSingleThreadScheduledExecutor();
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      timer.schedule(() -> context.cancel(null), 500, TimeUnit.MILLISECONDS);
      // Every call that is made within the context ends with it.
      Runnable call = () -> client().sendNetworkMessage(networkMessage(TENANT + "-silent"));
      refused("cancellation", context.wrap(call));
    } finally {
      timer.shutdownNow();
    }
  }

  /** Many items through one stream. Results come in any order; the key says which item one belongs to. */
  private void stream() throws Exception {
    Iterator<StreamingSendMessagesRequest> items =
        IntStream.rangeClosed(1, 5)
            .mapToObj(
                number ->
                    StreamingSendMessagesRequest.newBuilder()
                        .setItemKey("item-" + number)
                        .setCrmMessage(crmMessage(TENANT).setPortalChatId(number == 3 ? 1342 : 1341))
                        .build())
            .iterator();
    var sending = new Sending(items);
    async.withDeadlineAfter(DEADLINE_SECONDS, SECONDS).streamingSendMessages(sending);
    sending.ended.get();

    sending.results.forEach(
        (key, result) -> {
          if (result.hasError()) {
            failure("stream, " + key, result.getError());
          } else {
            success("stream, " + key, replayed(result.getCrmMessage()));
          }
        });
  }

  /** Writes items as fast as the service takes them, and keeps the results. gRPC calls its methods one at a time. */
  private static final class Sending
      implements ClientResponseObserver<StreamingSendMessagesRequest, StreamingSendMessagesResponse> {
    final Map<String, StreamingSendMessagesResponse> results = new TreeMap<>();
    final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Iterator<StreamingSendMessagesRequest> items;
    private boolean completed;

    Sending(Iterator<StreamingSendMessagesRequest> items) {
      this.items = items;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<StreamingSendMessagesRequest> requests) {
      // Without isReady the library would keep all items in memory that the service does not take yet.
      requests.setOnReadyHandler(
          () -> {
            while (requests.isReady() && items.hasNext()) {
              requests.onNext(items.next());
            }
            if (!items.hasNext() && !completed) {
              completed = true;
              requests.onCompleted();
            }
          });
    }

    @Override
    public void onNext(StreamingSendMessagesResponse result) {
      results.put(result.getItemKey(), result);
    }

    @Override
    public void onError(Throwable error) {
      ended.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      ended.complete(null);
    }
  }
}
