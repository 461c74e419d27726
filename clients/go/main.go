// Sends one CRM message with generated stubs and prints the id of the new chat message, or the reason of the failure.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	tenantsv1 "example.com/shop/gen/openlines/tenants/v1"
	openlinesv1 "example.com/shop/gen/openlines/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("API_KEY"))

	response, err := openlinesv1.NewOpenLinesServiceClient(connection).SendCrmMessage(ctx, &openlinesv1.SendCrmMessageRequest{
		TenantId:      os.Args[2],
		CrmEntityType: openlinesv1.CrmEntityType_CRM_ENTITY_TYPE_LEAD,
		CrmEntityId:   1195,
		UserId:        27,
		PortalChatId:  1341,
		Text:          "Your order has left our warehouse.",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("message", response.GetPortalMessageId())

	_, err = tenantsv1.NewTenantServiceClient(connection).ListTenants(ctx, &tenantsv1.ListTenantsRequest{})
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println("reason", info.GetReason())
		}
	}
}
