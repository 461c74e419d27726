{{/* How an endpoint is scraped, by a PodMonitor or a ServiceMonitor. */}}
{{- define "openlines.scrape" -}}
path: /metrics
scheme: http
interval: {{ .interval }}
scrapeTimeout: {{ .scrapeTimeout }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A selector of the release's own series, by labels that the Prometheus operator gives them: {namespace="…", job="…"}. Without `job` if
relabelings may have changed it; empty if the chart has no monitor, because then nobody here knows the labels.
*/}}
{{- define "openlines.scrapedLabels" -}}
{{- $name := include "openlines.fullname" . }}
{{- $monitor := dict }}
{{- $job := "" }}
{{- if .Values.podMonitor.enabled }}
{{- $monitor = .Values.podMonitor }}
{{- $job = printf "%s/%s" .Release.Namespace $name }}
{{- else if .Values.serviceMonitor.enabled }}
{{- $monitor = .Values.serviceMonitor }}
{{- $job = printf "%s-metrics" $name }}
{{- end }}
{{- if $job }}
{{- $labels := list (printf "namespace=%q" .Release.Namespace) }}
{{- if not (or $monitor.relabelings $monitor.metricRelabelings) }}
{{- $labels = append $labels (printf "job=%q" $job) }}
{{- end }}
{{- printf "{%s}" (join ", " $labels) }}
{{- end }}
{{- end }}
