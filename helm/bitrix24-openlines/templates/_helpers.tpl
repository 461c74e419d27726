{{/* Where files are in the container. */}}
{{- define "openlines.configFolder" -}}/etc/openlines{{- end }}
{{- define "openlines.secretsFolder" -}}/run/secrets/openlines{{- end }}
{{- define "openlines.tlsFolder" -}}/run/secrets/openlines-tls{{- end }}

{{/* Ports of the container. */}}
{{- define "openlines.grpcPort" -}}50051{{- end }}
{{- define "openlines.adminPort" -}}9464{{- end }}

{{- define "openlines.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 54 characters at most: the longest name made of it ends with "-headless". */}}
{{- define "openlines.fullname" -}}
{{- $name := include "openlines.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" }}
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

{{- define "openlines.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Seconds that a pod needs to stop, at most; the last 10 are for what the process does after the drain. */}}
{{- define "openlines.stopSeconds" -}}
{{- $server := (.Values.settings | default dict).server | default dict }}
{{- $drain := $server.drain_seconds | default 30 | int }}
{{- $delay := $server.shutdown_delay_seconds | default 0 | int }}
{{- add (.Values.preStop.sleep | int) $delay $drain 10 }}
{{- end }}

{{/* settings.yaml: what the user gave, and what only the chart can know. */}}
{{- define "openlines.settings" -}}
{{- $server := dict "listen" (printf "%s:%s" .Values.listenAddress (include "openlines.grpcPort" .)) }}
{{- if .Values.tls.secretName }}
{{- $folder := include "openlines.tlsFolder" . }}
{{- $tls := dict "certificate_file" (printf "%s/tls.crt" $folder) "private_key_file" (printf "%s/tls.key" $folder) }}
{{- $_ := set $server "tls" $tls }}
{{- end }}
{{- $own := dict
      "server" $server
      "admin" (dict "listen" (printf "%s:%s" .Values.listenAddress (include "openlines.adminPort" .)))
      "auth" (dict "callers" .Values.callers)
      "tenants" (dict "file" (printf "%s/tenants.yaml" (include "openlines.configFolder" .)))
}}
{{- toYaml (mergeOverwrite (deepCopy (.Values.settings | default dict)) $own) }}
{{- end }}

{{/* tenants.yaml: secrets stand in files of the Secret, never here. */}}
{{- define "openlines.tenants" -}}
{{- $folder := include "openlines.secretsFolder" . }}
{{- $tenants := list }}
{{- range .Values.tenants }}
{{- $tenant := dict "id" .id "portal" .portal }}
{{- with .webhook }}
{{- $secret := dict "file" (printf "%s/%s" $folder .secretKey) }}
{{- $_ := set $tenant "webhook" (dict "user_id" .userId "secret" $secret) }}
{{- end }}
{{- with .application }}
{{- $token := dict "file" (printf "%s/%s" $folder .accessTokenKey) }}
{{- $_ := set $tenant "application" (dict "access_token" $token) }}
{{- end }}
{{- $tenants = append $tenants $tenant }}
{{- end }}
{{- toYaml (dict "tenants" $tenants) }}
{{- end }}

{{/* The keys of the Secret that tenants name, each once, as JSON. */}}
{{- define "openlines.secretKeys" -}}
{{- $keys := list }}
{{- range .Values.tenants }}
{{- $keys = append $keys (ternary (.webhook | default dict).secretKey (.application | default dict).accessTokenKey (hasKey . "webhook")) }}
{{- end }}
{{- $keys | uniq | sortAlpha | toJson }}
{{- end }}
