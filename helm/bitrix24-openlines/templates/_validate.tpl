{{/*
What no schema can say: rules over several values. Messages name the place and the remedy and never quote a value, because
any value may be a secret in the wrong place. (For the same reason values.schema.json has no pattern where one could be.)
*/}}
{{- define "openlines.validate" -}}
{{- include "openlines.validate.secrets" . }}
{{- include "openlines.validate.tenants" . }}
{{- include "openlines.validate.callers" . }}
{{- include "openlines.validate.stop" . }}
{{- end }}

{{- define "openlines.validate.secrets" -}}
{{- if and .Values.secrets .Values.existingSecret }}
{{- fail "secrets, existingSecret: give one of the two" }}
{{- end }}
{{- if not (or .Values.secrets .Values.existingSecret) }}
{{- fail "secrets, existingSecret: give one of the two; the tenants' secrets come from there" }}
{{- end }}
{{- end }}

{{- define "openlines.validate.tenants" -}}
{{- if not .Values.tenants }}
{{- fail "tenants: give at least one" }}
{{- end }}
{{- $ids := dict }}
{{- range $index, $tenant := .Values.tenants }}
{{- $place := printf "tenants[%d]" $index }}
{{- if hasKey $ids .id }}
{{- fail (printf "%s.id: another tenant has it already" $place) }}
{{- end }}
{{- $_ := set $ids .id true }}
{{- if not (regexMatch "^([a-z0-9-]+(\\.[a-z0-9-]+)+|http://(127\\.0\\.0\\.1|\\[::1\\]):[0-9]+)$" .portal) }}
{{- fail (printf "%s.portal: give the host name alone, in lower case: no scheme, no port, no path" $place) }}
{{- end }}
{{- $keyPlace := ternary (printf "%s.webhook.secretKey" $place) (printf "%s.application.accessTokenKey" $place) (hasKey . "webhook") }}
{{- $key := ternary (.webhook | default dict).secretKey (.application | default dict).accessTokenKey (hasKey . "webhook") }}
{{- if or (not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" $key)) (regexMatch "^\\.\\.?$" $key) (hasPrefix ".." $key) }}
{{- fail (printf "%s: give the name of a key in the Secret: letters, digits, `-`, `_` and `.`" $keyPlace) }}
{{- end }}
{{- if and $.Values.secrets (not (hasKey $.Values.secrets $key)) }}
{{- fail (printf "%s: names no key of `secrets`" $keyPlace) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.callers" -}}
{{- if not .Values.callers }}
{{- fail "callers: give at least one, with a key from `openlines keys new`; without callers nobody could call" }}
{{- end }}
{{- $names := dict }}
{{- $keyIds := dict }}
{{- range $index, $caller := .Values.callers }}
{{- $place := printf "callers[%d]" $index }}
{{- if hasKey $names .name }}
{{- fail (printf "%s.name: another caller has it already" $place) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- range $number, $key := .keys }}
{{- if hasPrefix "b24f_" $key }}
{{- fail (printf "%s.keys[%d]: is an API key itself; give the entry with its hash, and make a new key with `openlines keys new`, because this one has been written down" $place $number) }}
{{- end }}
{{- if not (regexMatch "^[a-z2-7]{12}:[0-9a-f]{64}$" $key) }}
{{- fail (printf "%s.keys[%d]: give an entry that `openlines keys new` prints: <key id>:<SHA-256 of the key>" $place $number) }}
{{- end }}
{{- $id := regexFind "^[^:]*" $key }}
{{- if hasKey $keyIds $id }}
{{- fail (printf "%s.keys[%d]: this key id stands here already" $place $number) }}
{{- end }}
{{- $_ := set $keyIds $id true }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.stop" -}}
{{- $needed := include "openlines.stopSeconds" . | int }}
{{- if lt (.Values.terminationGracePeriodSeconds | int) $needed }}
{{- fail (printf "terminationGracePeriodSeconds: give at least %d, the sum of preStop.sleep, settings.server.shutdown_delay_seconds, settings.server.drain_seconds and 10; else running calls are killed" $needed) }}
{{- end }}
{{- end }}
