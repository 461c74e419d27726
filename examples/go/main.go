// Calls the service in every way that matters, and prints a line for each: examples/README.md has the table.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	openlinesv1 "example.com/sender/gen/openlines/v1"
)

const deadline = 10 * time.Second

// UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection broke, and
// the outcome is unknown: a retry is safe only because every call has a request_id.
//
// A headless Service has one address for each replica; without round_robin all calls go to the first. While most calls fail,
// retryThrottling stops retries.
const serviceConfig = `{
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
}`

// apiKey is sent with each call, and never without TLS.
type apiKey string

func (key apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(key)}, nil
}

func (key apiKey) RequireTransportSecurity() bool { return true }

// connect opens one connection for the whole program: it holds those to all replicas.
func connect() (*grpc.ClientConn, error) {
	tls, err := credentials.NewClientTLSFromFile(os.Getenv("OPENLINES_CA_FILE"), "")
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("dns:///"+os.Getenv("OPENLINES_ADDRESS"),
		grpc.WithTransportCredentials(tls),
		grpc.WithPerRPCCredentials(apiKey(os.Getenv("OPENLINES_API_KEY"))),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
}

var tenant = os.Getenv("OPENLINES_TENANT")

// crmMessage has a new request_id: the idempotency key, which a retry of the same call keeps.
func crmMessage() *openlinesv1.SendCrmMessageRequest {
	return &openlinesv1.SendCrmMessageRequest{
		TenantId:      tenant,
		RequestId:     uuid.NewString(),
		CrmEntityType: openlinesv1.CrmEntityType_CRM_ENTITY_TYPE_LEAD,
		CrmEntityId:   1195,
		UserId:        27,
		PortalChatId:  1341,
		Text:          "Your order has left our warehouse.",
	}
}

func networkMessage(tenant string) *openlinesv1.SendNetworkMessageRequest {
	return &openlinesv1.SendNetworkMessageRequest{
		TenantId:  tenant,
		RequestId: uuid.NewString(),
		LineCode:  "ab515f5d85a8b844d484f6ea75a2e494",
		UserId:    2,
		Text:      "Your order is on its way.",
	}
}

func connectorMessages(ids ...string) *openlinesv1.SendConnectorMessagesRequest {
	request := &openlinesv1.SendConnectorMessagesRequest{
		TenantId: tenant, RequestId: uuid.NewString(), ConnectorId: "myconnector", LineId: 107,
	}
	for _, id := range ids {
		request.Messages = append(request.Messages, &openlinesv1.ConnectorMessage{
			User:    &openlinesv1.ExternalUser{Id: "customer-42", FirstName: "Ada"},
			Message: &openlinesv1.ExternalMessage{Id: id, Text: "Good afternoon"},
			Chat:    &openlinesv1.ExternalChat{Id: "channel-123"},
		})
	}
	return request
}

// show reads one detail by its type.
func show(detail any) string {
	switch d := detail.(type) {
	case *errdetails.ErrorInfo:
		return fmt.Sprintf("ErrorInfo source=%s outcome=%s", d.Metadata["errorSource"], d.Metadata["outcome"])
	case *errdetails.RequestInfo:
		return "RequestInfo"
	case *errdetails.BadRequest:
		var fields []string
		for _, violation := range d.FieldViolations {
			fields = append(fields, violation.Field)
		}
		return "BadRequest fields=" + strings.Join(fields, ",")
	case *errdetails.PreconditionFailure:
		return "PreconditionFailure type=" + d.Violations[0].Type
	case *errdetails.QuotaFailure:
		return "QuotaFailure subject=" + d.Violations[0].Subject
	case *errdetails.RetryInfo:
		return fmt.Sprintf("RetryInfo seconds=%d", d.RetryDelay.GetSeconds())
	case *errdetails.ResourceInfo:
		return "ResourceInfo name=" + d.ResourceName
	case *errdetails.Help:
		return fmt.Sprintf("Help links=%d", len(d.Links))
	case *openlinesv1.Bitrix24Error:
		return "Bitrix24Error code=" + d.Code
	default:
		// An error: a type that this program does not know.
		return fmt.Sprint(d)
	}
}

func row(cells ...string) { fmt.Println(strings.Join(cells, " | ")) }

func success(name, detail string) { row(name, "OK", "-", "-", detail) }

// failure says whether a call may be repeated: ErrorInfo has the outcome. A status without ErrorInfo comes from the library.
func failure(name string, failed *status.Status) {
	reason, repeat, shown := "-", "with request_id", []string{}
	for _, detail := range failed.Details() {
		shown = append(shown, show(detail))
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			reason = info.Reason
			if info.Metadata["outcome"] == "not_executed" {
				repeat = "yes"
			}
		}
	}
	if len(shown) == 0 {
		shown = append(shown, "-")
	}
	row(name, code.Code(failed.Code()).String(), reason, repeat, strings.Join(shown, "; "))
}

// method is a unary method of a client.
type method[Request, Response any] func(context.Context, Request, ...grpc.CallOption) (Response, error)

// call makes a call with a deadline: without one it would wait for as long as the service lets it.
func call[Request, Response any](method method[Request, Response], request Request, timeout time.Duration) (Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return method(ctx, request)
}

// refused makes a call that is expected to fail.
func refused[Request, Response any](name string, method method[Request, Response], request Request, timeout time.Duration) {
	if _, err := call(method, request, timeout); err != nil {
		failure(name, status.Convert(err))
	} else {
		success(name, "a failure was expected")
	}
}

// partialFailure makes a call that is OK, and each of its messages has a result of its own.
func partialFailure(client openlinesv1.OpenLinesServiceClient) error {
	response, err := call(client.SendConnectorMessages, connectorMessages("m-1", "m-refused"), deadline)
	if err != nil {
		return err
	}
	for index, result := range response.Results {
		name := fmt.Sprintf("partial failure, message %d", index+1)
		switch outcome := result.Outcome.(type) {
		case *openlinesv1.ConnectorMessageResult_Accepted:
			success(name, "accepted")
		case *openlinesv1.ConnectorMessageResult_Error:
			failure(name, status.FromProto(outcome.Error))
		}
	}
	return nil
}

func replayed(response *openlinesv1.SendCrmMessageResponse) string {
	if response.Replayed {
		return "replayed=yes"
	}
	return "replayed=no"
}

// replay sends the same request with the same request_id: the service returns the first response and sends nothing.
func replay(
	client openlinesv1.OpenLinesServiceClient,
	request *openlinesv1.SendCrmMessageRequest, first *openlinesv1.SendCrmMessageResponse,
) error {
	again, err := call(client.SendCrmMessage, request, deadline)
	if err != nil {
		return err
	}
	detail := replayed(again)
	if again.Replayed {
		detail += map[bool]string{true: ", same message", false: ", another message"}[again.PortalMessageId == first.PortalMessageId]
	}
	success("replay", detail)
	return nil
}

// cancellation ends a call while the portal works on it: the outcome is unknown.
func cancellation(client openlinesv1.OpenLinesServiceClient) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	time.AfterFunc(500*time.Millisecond, cancel)
	_, err := client.SendNetworkMessage(ctx, networkMessage(tenant+"-silent"))
	failure("cancellation", status.Convert(err))
}

// stream sends many items through one stream. Results come in any order; the key says which item one belongs to.
func stream(client openlinesv1.OpenLinesServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	items, err := client.StreamingSendMessages(ctx)
	if err != nil {
		return err
	}
	// Sending waits while the service takes no more items, so results are received beside it.
	go func() {
		defer items.CloseSend()
		for number := 1; number <= 5; number++ {
			message := crmMessage()
			if number == 3 {
				message.PortalChatId = 1342
			}
			item := &openlinesv1.StreamingSendMessagesRequest{
				ItemKey:   fmt.Sprintf("item-%d", number),
				Operation: &openlinesv1.StreamingSendMessagesRequest_CrmMessage{CrmMessage: message},
			}
			if items.Send(item) != nil {
				// Recv has the reason.
				return
			}
		}
	}()
	var results []*openlinesv1.StreamingSendMessagesResponse
	for {
		result, err := items.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	slices.SortFunc(results, func(a, b *openlinesv1.StreamingSendMessagesResponse) int {
		return strings.Compare(a.ItemKey, b.ItemKey)
	})
	for _, result := range results {
		name := "stream, " + result.ItemKey
		if result.GetError() != nil {
			failure(name, status.FromProto(result.GetError()))
		} else {
			success(name, replayed(result.GetCrmMessage()))
		}
	}
	return nil
}

func run() error {
	connection, err := connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	client := openlinesv1.NewOpenLinesServiceClient(connection)
	if slices.Contains(os.Args[1:], "repeat") {
		repeat(client)
		return nil
	}
	row("case", "status", "reason", "safe to repeat", "detail")
	request := crmMessage()
	first, err := call(client.SendCrmMessage, request, deadline)
	if err != nil {
		return err
	}
	success("success", replayed(first))
	if err := partialFailure(client); err != nil {
		return err
	}

	wrongChat := crmMessage()
	wrongChat.PortalChatId = 1342
	refused("refusal", client.SendCrmMessage, wrongChat, deadline)

	invalid := crmMessage()
	invalid.Text, invalid.UserId = "", -1
	refused("bad request", client.SendCrmMessage, invalid, deadline)

	// Bitrix24 accepts one network message for each user and week.
	if _, err := call(client.SendNetworkMessage, networkMessage(tenant), deadline); err != nil {
		return err
	}
	refused("limit", client.SendNetworkMessage, networkMessage(tenant), deadline)

	away := crmMessage()
	away.TenantId = tenant + "-away"
	refused("unavailable", client.SendCrmMessage, away, deadline)

	if err := replay(client, request, first); err != nil {
		return err
	}

	silent := crmMessage()
	silent.TenantId = tenant + "-silent"
	refused("deadline", client.SendCrmMessage, silent, 5*time.Second)
	cancellation(client)
	return stream(client)
}

// repeat sends a message every 20 ms until its input ends, and prints the status of each: to watch while replicas come and go.
func repeat(client openlinesv1.OpenLinesServiceClient) {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		_, err := call(client.SendCrmMessage, crmMessage(), deadline)
		fmt.Println(code.Code(status.Code(err)))
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
