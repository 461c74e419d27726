package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionauth"
)

// What a hosted collector does: whoever does not show the key is refused, over gRPC and over HTTP.
type keyExtension struct {
	component.StartFunc
	component.ShutdownFunc
	extensionauth.ServerAuthenticateFunc
}

type keyConfig struct {
	// The header, in lower case.
	Header string `mapstructure:"header"`
	Key    string `mapstructure:"key"`
}

func newKeyFactory() extension.Factory {
	return extension.NewFactory(
		component.MustNewType("key"),
		func() component.Config { return &keyConfig{} },
		func(_ context.Context, _ extension.Settings, config component.Config) (extension.Extension, error) {
			return keyExtension{ServerAuthenticateFunc: config.(*keyConfig).authenticate}, nil
		},
		component.StabilityLevelDevelopment,
	)
}

func (config *keyConfig) authenticate(ctx context.Context, headers map[string][]string) (context.Context, error) {
	for name, values := range headers {
		// HTTP capitalizes names.
		if strings.ToLower(name) != config.Header || len(values) != 1 {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(values[0]), []byte(config.Key)) == 1 {
			return ctx, nil
		}
		// A collector may repeat what it was sent.
		return ctx, errors.New("unknown key " + values[0])
	}
	return ctx, errors.New("no key")
}
