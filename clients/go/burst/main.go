// Cancels 400 calls of one context at once, three times, and prints how the calls beside them ended.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	openlinesv1 "example.com/shop/gen/openlines/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const burst = 400

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := openlinesv1.NewOpenLinesServiceClient(connection)
	authorized := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("API_KEY"))

	ended := map[codes.Code]int{}
	beside := map[codes.Code]int{}
	var lock sync.Mutex
	var calls sync.WaitGroup
	send := func(ctx context.Context, counts map[codes.Code]int, tenant string) {
		calls.Add(1)
		go func() {
			defer calls.Done()
			_, err := client.SendNetworkMessage(ctx, &openlinesv1.SendNetworkMessageRequest{
				TenantId: tenant,
				LineCode: "ab515f5d85a8b844d484f6ea75a2e494",
				UserId:   27,
				Text:     "text",
			})
			lock.Lock()
			defer lock.Unlock()
			counts[status.Code(err)]++
		}()
	}
	for round := 0; round < 3; round++ {
		cancelled, cancel := context.WithCancel(authorized)
		for number := 0; number < burst; number++ {
			send(cancelled, ended, os.Args[2])
		}
		time.Sleep(time.Duration(round*20) * time.Millisecond)
		// A tenant that does not exist: answered at once.
		for number := 0; number < 20; number++ {
			send(authorized, beside, "nobody")
		}
		cancel()
		calls.Wait()
	}
	for code := range ended {
		if code != codes.Canceled && code != codes.OK && code != codes.ResourceExhausted {
			fmt.Println("cancelled", code, ended[code])
		}
	}
	for code, count := range beside {
		fmt.Println("beside", code, count)
	}
}
