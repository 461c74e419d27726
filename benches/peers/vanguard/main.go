// A gateway from gRPC to REST with vanguard: it listens at the first address and calls the second.
package main

import (
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"connectrpc.com/vanguard"
	_ "example.com/peers/crmpb"
)

// As many as there are calls in flight: with the default of two, most calls would open a connection of their own.
const idleConnections = 64

func main() {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: os.Args[2]})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: idleConnections, DisableCompression: true}
	service := vanguard.NewService(
		"openlines.v1.OpenLinesService",
		proxy,
		vanguard.WithTargetProtocols(vanguard.ProtocolREST),
		vanguard.WithTargetCodecs(vanguard.CodecJSON),
		vanguard.WithNoTargetCompression(),
	)
	transcoder, err := vanguard.NewTranscoder([]*vanguard.Service{service})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: transcoder, Protocols: protocols}
	log.Fatal(server.Serve(listener))
}
