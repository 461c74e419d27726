// Command operator decodes the PodMonitors, ServiceMonitors and PrometheusRules of rendered releases into the Prometheus operator's
// own types, and refuses fields that these do not have. Their schemas are in no package; their types are.
//
// Usage: operator FILE…
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	failed := false
	for _, file := range os.Args[1:] {
		content, err := os.ReadFile(file)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, manifest := range strings.Split("\n"+string(content), "\n---") {
			if err := decode([]byte(manifest)); err != nil {
				fmt.Printf("%s: %v\n", file, err)
				failed = true
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

func decode(manifest []byte) error {
	var kind struct{ Kind string }
	if err := yaml.Unmarshal(manifest, &kind); err != nil {
		return err
	}
	targets := map[string]any{
		"PodMonitor":     &monitoring.PodMonitor{},
		"ServiceMonitor": &monitoring.ServiceMonitor{},
		"PrometheusRule": &monitoring.PrometheusRule{},
	}
	target, found := targets[kind.Kind]
	if !found {
		return nil
	}
	fmt.Println(kind.Kind)
	content, err := yaml.YAMLToJSONStrict(manifest)
	if err != nil {
		return err
	}
	// As the API server does: names are case-sensitive.
	faults, err := json.UnmarshalStrict(content, target)
	return errors.Join(append(faults, err)...)
}
