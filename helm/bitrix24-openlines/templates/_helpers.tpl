{{/* Where files are in the container. */}}
{{- define "openlines.configFolder" -}}/etc/openlines{{- end }}
{{- define "openlines.secretsFolder" -}}/run/secrets/openlines{{- end }}
{{- define "openlines.tlsFolder" -}}/run/secrets/openlines-tls{{- end }}
{{- define "openlines.keyringFolder" -}}/run/secrets/openlines-keyring{{- end }}
{{- define "openlines.databaseFolder" -}}/run/secrets/openlines-database{{- end }}
{{- define "openlines.clientCaFolder" -}}/etc/openlines-client-ca{{- end }}
{{- define "openlines.portalsCaFolder" -}}/etc/openlines-portals-ca{{- end }}
{{- define "openlines.collectorHeadersFolder" -}}/run/secrets/openlines-collector-headers{{- end }}
{{- define "openlines.dataFolder" -}}/var/lib/openlines{{- end }}

{{/* Ports of the container. */}}
{{- define "openlines.grpcPort" -}}50051{{- end }}
{{- define "openlines.adminPort" -}}9464{{- end }}
{{- define "openlines.installationPort" -}}8080{{- end }}

{{/* The path of Bitrix24's events. */}}
{{- define "openlines.installationPath" -}}/bitrix24/events/{{- end }}

{{- define "openlines.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 50 characters at most: the longest name made of it ends with "-installation". */}}
{{- define "openlines.fullname" -}}
{{- $name := include "openlines.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "openlines.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "openlines.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The component keeps the pod of `helm test` out of the Services. */}}
{{- define "openlines.selectorLabels" -}}
app.kubernetes.io/name: {{ include "openlines.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "openlines.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "openlines.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "openlines.secretName" -}}
{{- .Values.existingSecret | default (include "openlines.fullname" .) }}
{{- end }}

{{/* The Secret of the release for the store; only if a value is given here. */}}
{{- define "openlines.storeSecretName" -}}
{{- printf "%s-store" (include "openlines.fullname" .) }}
{{- end }}

{{/* The Secret with the certificate of the gRPC port; empty without TLS. */}}
{{- define "openlines.tlsSecretName" -}}
{{- if .Values.tls.certificate.enabled }}
{{- printf "%s-tls" (include "openlines.fullname" .) }}
{{- else }}
{{- .Values.tls.secretName }}
{{- end }}
{{- end }}

{{/* Whether the chart names the pod to the collector: there is one, and the user has not named anything. */}}
{{- define "openlines.namesItself" -}}
{{- $named := dig "telemetry" "resource_attributes" "" (.Values.settings | default dict) }}
{{- range .Values.extraEnv }}
{{- if has .name (list "OTEL_RESOURCE_ATTRIBUTES" "POD_NAME") }}
{{- $named = "yes" }}
{{- end }}
{{- end }}
{{- if and (include "openlines.collectors" . | fromJsonArray) (not $named) }}true{{ end }}
{{- end }}

{{- define "openlines.isPostgresql" -}}
{{- if eq .Values.store.kind "postgresql" }}true{{ end }}
{{- end }}

{{- define "openlines.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Seconds that a pod needs to stop, at most; the last ones are for what the process does after the drain: refreshes of access tokens that
     are under way, the last traces. */}}
{{- define "openlines.stopSeconds" -}}
{{- $server := (.Values.settings | default dict).server | default dict }}
{{- $drain := $server.drain_seconds | default 30 | int }}
{{- $delay := $server.shutdown_delay_seconds | default 0 | int }}
{{- $authorization := (.Values.settings | default dict).authorization | default dict }}
{{- $refresh := $authorization.timeout_seconds | default 10 | int }}
{{- add (.Values.preStop.sleep | int) $delay $drain $refresh $refresh 15 }}
{{- end }}

{{/* An amount of memory, as Kubernetes writes it → bytes; 0 if it is none. */}}
{{- define "openlines.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- if regexMatch "^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$" . }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .)) | int64 }}
{{- else }}0{{ end }}
{{- end }}

{{/* Bytes of a portal in use with its tenant. README.md has the figure too; .ci/chart compares them. */}}
{{- define "openlines.bytesPerPortal" -}}8192{{- end }}

{{/* Bytes of memory that the settings allow, by the table in README.md: the process, calls in progress, their requests, portals. */}}
{{- define "openlines.neededBytes" -}}
{{- $settings := .Values.settings | default dict }}
{{- $calls := dig "server" "maximum_concurrent_calls" 20000 $settings | int64 }}
{{- $requests := dig "server" "maximum_bytes_in_progress" 268435456 $settings | int64 }}
{{- $tenants := dig "tenants" "maximum_cached" 100000 $settings | int64 }}
{{- add 52428800 (mul $calls 14336) (mulf $requests 2.5 | int64) (mul $tenants (include "openlines.bytesPerPortal" . | int64)) }}
{{- end }}

{{/* An address of a database whose user and password are percent-encoded. */}}
{{- define "openlines.databaseUrlForm" -}}
^postgres(ql)?://([A-Za-z0-9._~!$&'()*+,;=%-]*(:[A-Za-z0-9._~!$&'()*+,;=%-]*)?@)?([A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[^/?#@]*)?(\?[^#]*)?$
{{- end }}

{{/* settings.yaml: what the user gave, and what only the chart can know. */}}
{{- define "openlines.settings" -}}
{{- $server := dict "listen" (printf "%s:%s" .Values.listenAddress (include "openlines.grpcPort" .)) }}
{{- if include "openlines.tlsSecretName" . }}
{{- $folder := include "openlines.tlsFolder" . }}
{{- $tls := dict "certificate_file" (printf "%s/tls.crt" $folder) "private_key_file" (printf "%s/tls.key" $folder) }}
{{- if .Values.tls.clientCa.configMap }}
{{- $_ := set $tls "client_ca_file" (printf "%s/ca.crt" (include "openlines.clientCaFolder" .)) }}
{{- end }}
{{- $_ := set $server "tls" $tls }}
{{- else if .Values.tls.dangerousPlaintext }}
{{- $_ := set $server "tls" (dict "dangerous_plaintext" true) }}
{{- end }}
{{- $callers := list }}
{{- range $given := .Values.callers }}
{{- $caller := dict "name" $given.name "tenants" $given.tenants }}
{{- range $key := list "methods" "keys" "tokens" "certificates" }}
{{- with index $given $key }}
{{- $_ := set $caller $key . }}
{{- end }}
{{- end }}
{{- if $given.managesTenants }}
{{- $_ := set $caller "manages_tenants" true }}
{{- end }}
{{- $callers = append $callers $caller }}
{{- end }}
{{- $store := dict "keyring_file" (printf "%s/keyring" (include "openlines.keyringFolder" .)) }}
{{- if include "openlines.isPostgresql" . }}
{{- $_ := set $store "url_file" (printf "%s/url" (include "openlines.databaseFolder" .)) }}
{{- else }}
{{- $_ := set $store "url" (printf "sqlite:%s/openlines.db" (include "openlines.dataFolder" .)) }}
{{- end }}
{{- $own := dict
      "server" $server
      "admin" (dict "listen" (printf "%s:%s" .Values.listenAddress (include "openlines.adminPort" .)))
      "auth" (dict "callers" $callers)
      "store" $store
}}
{{- if .Values.tenants }}
{{- $_ := set $own "tenants" (dict "file" (printf "%s/tenants.yaml" (include "openlines.configFolder" .))) }}
{{- end }}
{{- $applications := list }}
{{- range .Values.applications }}
{{- $secret := dict "file" (printf "%s/%s" (include "openlines.secretsFolder" $) .clientSecretKey) }}
{{- $applications = append $applications (dict "name" .name "client_id" .clientId "client_secret" $secret) }}
{{- end }}
{{- if $applications }}
{{- $_ := set $own "applications" $applications }}
{{- end }}
{{- if .Values.installation.enabled }}
{{- $listen := printf "%s:%s" .Values.listenAddress (include "openlines.installationPort" .) }}
{{- $_ := set $own "installation" (dict "listen" $listen) }}
{{- end }}
{{- if .Values.portalsCa.configMap }}
{{- $_ := set $own "portals" (dict "ca_file" (printf "%s/ca.crt" (include "openlines.portalsCaFolder" .))) }}
{{- end }}
{{- if .Values.collectorHeaders.existingSecret }}
{{- $_ := set $own "telemetry" (dict "otlp_headers_file" (printf "%s/headers" (include "openlines.collectorHeadersFolder" .))) }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy (.Values.settings | default dict)) $own) }}
{{- end }}

{{/* Keys of an application's entry in the values, and their names in the tenants file. */}}
{{- define "openlines.applicationSecrets" -}}
{{- dict "clientSecretKey" "client_secret" "accessTokenKey" "access_token" "refreshTokenKey" "refresh_token"
      "applicationTokenKey" "application_token" | toJson }}
{{- end }}

{{/* tenants.yaml: secrets stand in files of the Secret, never here. */}}
{{- define "openlines.tenants" -}}
{{- $folder := include "openlines.secretsFolder" . }}
{{- $tenants := list }}
{{- range .Values.tenants }}
{{- $tenant := dict "id" .id "portal" .portal }}
{{- with .displayName }}
{{- $_ := set $tenant "display_name" . }}
{{- end }}
{{- with .plan }}
{{- $plan := . }}
{{- if kindIs "map" . }}
{{- $plan = dict "burst" .burst "per_second" .perSecond }}
{{- end }}
{{- $_ := set $tenant "plan" $plan }}
{{- end }}
{{- with .webhook }}
{{- $secret := dict "file" (printf "%s/%s" $folder .secretKey) }}
{{- $_ := set $tenant "webhook" (dict "user_id" .userId "secret" $secret) }}
{{- end }}
{{- with .application }}
{{- $application := dict }}
{{- with .clientId }}{{ $_ := set $application "client_id" . }}{{ end }}
{{- with .authorizationServer }}{{ $_ := set $application "authorization_server" . }}{{ end }}
{{- with .memberId }}{{ $_ := set $application "member_id" . }}{{ end }}
{{- $given := . }}
{{- range $value, $name := include "openlines.applicationSecrets" $ | fromJson }}
{{- with get $given $value }}
{{- $_ := set $application $name (dict "file" (printf "%s/%s" $folder .)) }}
{{- end }}
{{- end }}
{{- $_ := set $tenant "application" $application }}
{{- end }}
{{- $tenants = append $tenants $tenant }}
{{- end }}
{{- toYaml (dict "tenants" $tenants) }}
{{- end }}

{{/* Every place in the values that names a key of the Secret → that key, as JSON. */}}
{{- define "openlines.secretPlaces" -}}
{{- $places := dict }}
{{- range $index, $tenant := .Values.tenants }}
{{- with .webhook }}
{{- $_ := set $places (printf "tenants[%d].webhook.secretKey" $index) .secretKey }}
{{- end }}
{{- with .application }}
{{- $given := . }}
{{- range $value, $name := include "openlines.applicationSecrets" $ | fromJson }}
{{- with get $given $value }}
{{- $_ := set $places (printf "tenants[%d].application.%s" $index $value) . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $application := .Values.applications }}
{{- $_ := set $places (printf "applications[%d].clientSecretKey" $index) .clientSecretKey }}
{{- end }}
{{- $places | toJson }}
{{- end }}

{{/* The keys of the Secret that tenants and applications name, each once, as JSON. */}}
{{- define "openlines.secretKeys" -}}
{{- values (include "openlines.secretPlaces" . | fromJson) | uniq | sortAlpha | toJson }}
{{- end }}
