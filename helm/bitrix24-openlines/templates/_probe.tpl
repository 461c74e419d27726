{{/*
A probe: list of the root, the probe's name, the path on the admin port, the service that gRPC health is asked for.
The kubelet's gRPC probes speak clear text only, so with TLS the admin port is asked.
*/}}
{{- define "openlines.probe" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 -}}
{{ $name }}Probe:
{{- if (include "openlines.tlsSecretName" $root) }}
  httpGet:
    path: {{ index . 2 }}
    port: admin
    scheme: HTTP
{{- else }}
  grpc:
    port: {{ include "openlines.grpcPort" $root }}
    service: {{ index . 3 | quote }}
{{- end }}
  {{- toYaml (index $root.Values.probes $name) | nindent 2 }}
{{- end }}
