import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Calls with deadlines through grpc-java: ADDRESS MILLISECONDS CALLS GAP_MILLISECONDS, with REQUESTS, a file of
 * encoded requests: that of the first line is refused at once, the others are for one call each.
 */
public final class Caller {
  private static final int WARM_UP_CALLS = 20;

  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] message) {
          return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private static final MethodDescriptor<byte[], byte[]> METHOD =
      MethodDescriptor.<byte[], byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("openlines.v1.OpenLinesService/SendCrmMessage")
          .setRequestMarshaller(BYTES)
          .setResponseMarshaller(BYTES)
          .build();

  public static void main(String[] arguments) throws Exception {
    long deadlineMs = Long.parseLong(arguments[1]);
    int calls = Integer.parseInt(arguments[2]);
    long gapMs = Long.parseLong(arguments[3]);
    List<String> requests = Files.readAllLines(Path.of(System.getenv("REQUESTS")));
    Metadata key = new Metadata();
    key.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
        "Bearer " + System.getenv("API_KEY"));
    Channel channel =
        ClientInterceptors.intercept(
            Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build(),
            MetadataUtils.newAttachHeadersInterceptor(key));
    for (int call = 0; call < WARM_UP_CALLS; call++) {
      errorOf(begin(channel, requests.get(0), 10_000));
    }
    List<Future<byte[]>> begun = new ArrayList<>();
    for (int call = 1; call <= calls; call++) {
      begun.add(begin(channel, requests.get(call), deadlineMs));
      Thread.sleep(gapMs);
    }
    int ours = 0;
    for (Future<byte[]> call : begun) {
      Throwable error = errorOf(call);
      if (Status.fromThrowable(error).getCode() != Status.Code.DEADLINE_EXCEEDED) {
        throw new IllegalStateException(error);
      }
      ours += hasOurDetails(error) ? 1 : 0;
    }
    System.out.printf("{\"ours\": %d, \"bare\": %d}%n", ours, calls - ours);
    // The channel's threads would keep the process alive.
    System.exit(0);
  }

  private static Future<byte[]> begin(Channel channel, String request, long deadlineMs) {
    CallOptions options =
        CallOptions.DEFAULT.withDeadlineAfter(deadlineMs, TimeUnit.MILLISECONDS);
    byte[] message = Base64.getDecoder().decode(request);
    return ClientCalls.futureUnaryCall(channel.newCall(METHOD, options), message);
  }

  private static Throwable errorOf(Future<byte[]> call) throws InterruptedException {
    try {
      call.get();
    } catch (ExecutionException error) {
      return error.getCause();
    }
    throw new IllegalStateException("a call succeeded");
  }

  private static boolean hasOurDetails(Throwable error) throws IOException {
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    if (status == null) {
      return false;
    }
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)
          && detail.unpack(ErrorInfo.class).getDomain().equals("openlines.bitrix24")) {
        return true;
      }
    }
    return false;
  }
}
