// Calls with deadlines through grpc-go: ADDRESS MILLISECONDS CALLS GAP_MILLISECONDS.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	openlinesv1 "example.com/shop/gen/openlines/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const warmUpCalls = 20

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := openlinesv1.NewOpenLinesServiceClient(connection)
	authorized := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("API_KEY"))
	send := func(tenant string, deadline time.Duration) error {
		ctx, cancel := context.WithTimeout(authorized, deadline)
		defer cancel()
		_, err := client.SendCrmMessage(ctx, &openlinesv1.SendCrmMessageRequest{
			TenantId:      tenant,
			CrmEntityType: openlinesv1.CrmEntityType_CRM_ENTITY_TYPE_LEAD,
			CrmEntityId:   1195,
			UserId:        27,
			PortalChatId:  1341,
			Text:          "text",
		})
		return err
	}
	for range warmUpCalls {
		send("nobody", 10*time.Second)
	}

	deadline := time.Duration(number(2)) * time.Millisecond
	calls, gap := number(3), time.Duration(number(4))*time.Millisecond
	errors := make([]error, calls)
	var running sync.WaitGroup
	for call := range calls {
		running.Go(func() { errors[call] = send(fmt.Sprintf("tenant-%d", call), deadline) })
		time.Sleep(gap)
	}
	running.Wait()
	ours := 0
	for _, err := range errors {
		if status.Code(err) != codes.DeadlineExceeded {
			log.Fatal(err)
		}
		if hasOurDetails(err) {
			ours++
		}
	}
	fmt.Printf("{\"ours\": %d, \"bare\": %d}\n", ours, calls-ours)
}

func number(argument int) int {
	number, err := strconv.Atoi(os.Args[argument])
	if err != nil {
		log.Fatal(err)
	}
	return number
}

func hasOurDetails(err error) bool {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "openlines.bitrix24" {
			return true
		}
	}
	return false
}
