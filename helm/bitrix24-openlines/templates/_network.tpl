{{/* Never the way to anything of ours: the cloud's metadata, also where its address is a public one, or one for translation (NAT64). */}}
{{- define "openlines.metadata4" -}}
["169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"]
{{- end }}
{{- define "openlines.metadata6" -}}
["fe80::/10", "fd00:ec2::/32", "64:ff9b::a9fe:0/112"]
{{- end }}

{{/*
Peers of a NetworkPolicy for a host that the values name, as JSON: the address, or the namespace of a Service of the cluster, or anywhere
except metadata. List of the root, the host (empty: unknown) and of what the values say instead.
*/}}
{{- define "openlines.peers" -}}
{{- $root := index . 0 }}
{{- $host := index . 1 | trimPrefix "[" | trimSuffix "]" | trimSuffix "." }}
{{- $given := index . 2 }}
{{- $service := regexReplaceAll "\\.cluster\\.local$" $host "" }}
{{- if $given }}
{{- $given | toJson }}
{{- else if regexMatch "^[0-9]+(\\.[0-9]+){3}$" $host }}
{{- list (dict "ipBlock" (dict "cidr" (printf "%s/32" $host))) | toJson }}
{{- else if contains ":" $host }}
{{- list (dict "ipBlock" (dict "cidr" (printf "%s/128" $host))) | toJson }}
{{- else if regexMatch "^[^.]+(\\.[^.]+)?\\.[^.]+\\.svc$" $service }}
{{- $namespace := trimSuffix ".svc" $service | splitList "." | last }}
{{- list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $namespace))) | toJson }}
{{- else if regexMatch "^[^.]+$" $host }}
{{- list (dict "podSelector" dict) | toJson }}
{{- else }}
{{- $four := dict "cidr" "0.0.0.0/0" "except" (include "openlines.metadata4" $root | fromJsonArray) }}
{{- $six := dict "cidr" "::/0" "except" (include "openlines.metadata6" $root | fromJsonArray) }}
{{- list (dict "ipBlock" $four) (dict "ipBlock" $six) | toJson }}
{{- end }}
{{- end }}

{{/* The host of an address with a scheme; empty if there is none. */}}
{{- define "openlines.host" -}}
{{- regexReplaceAll "^[a-z+]+://([^@/]*@)?(\\[[^\\]]*\\]|[^:/?#]*).*$" . "${2}" }}
{{- end }}

{{/* Its port: list of the address and the ports of schemes. */}}
{{- define "openlines.port" -}}
{{- $address := index . 0 }}
{{- $explicit := regexReplaceAll "^[a-z+]+://([^@/]*@)?(\\[[^\\]]*\\]|[^:/?#]*)(:([0-9]+))?.*$" $address "${4}" }}
{{- $explicit | default (get (index . 1) (regexFind "^[a-z+]+" $address)) }}
{{- end }}

{{/* Addresses of collectors, as JSON. */}}
{{- define "openlines.collectors" -}}
{{- $addresses := list }}
{{- range $name, $value := (.Values.settings | default dict).telemetry | default dict }}
{{- if and (hasSuffix "endpoint" $name) (kindIs "string" $value) }}
{{- $addresses = append $addresses $value }}
{{- end }}
{{- end }}
{{- $addresses | uniq | toJson }}
{{- end }}

{{/* Where the database is, as JSON. */}}
{{- define "openlines.databasePeers" -}}
{{- $url := .Values.store.postgresql.url }}
{{- include "openlines.peers" (list . (ternary (include "openlines.host" $url) "a.name.elsewhere" (ne $url "")) .Values.networkPolicy.postgresql.to) }}
{{- end }}

{{/* What the policy opens to any address because the values do not tell where it is → the value that does, as JSON. */}}
{{- define "openlines.openedAnywhere" -}}
{{- $policy := .Values.networkPolicy }}
{{- $opened := dict }}
{{- if $policy.enabled }}
{{- if and (include "openlines.isPostgresql" .) (contains "0.0.0.0/0" (include "openlines.databasePeers" .)) (not $policy.postgresql.to) }}
{{- $_ := set $opened "the database" "networkPolicy.postgresql.to" }}
{{- end }}
{{- with dig "portals" "proxy" "" (.Values.settings | default dict) }}
{{- if and (contains "0.0.0.0/0" (include "openlines.peers" (list $ (include "openlines.host" .) list))) (not $policy.proxyTo) }}
{{- $_ := set $opened "the proxy" "networkPolicy.proxyTo" }}
{{- end }}
{{- end }}
{{- range include "openlines.collectors" . | fromJsonArray }}
{{- if and (contains "0.0.0.0/0" (include "openlines.peers" (list $ (include "openlines.host" .) list))) (not $policy.collectorTo) }}
{{- $_ := set $opened "the collector" "networkPolicy.collectorTo" }}
{{- end }}
{{- end }}
{{- end }}
{{- $opened | toJson }}
{{- end }}
