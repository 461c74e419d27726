{{/*
What no schema can say: rules over several values. Messages name the place and the remedy and never quote a value, because
any value may be a secret in the wrong place. (For the same reason values.schema.json has no pattern where one could be.)
*/}}
{{- define "openlines.validate" -}}
{{- include "openlines.validate.store" . }}
{{- include "openlines.validate.secrets" . }}
{{- include "openlines.validate.tenants" . }}
{{- include "openlines.validate.applications" . }}
{{- include "openlines.validate.installation" . }}
{{- include "openlines.validate.callers" . }}
{{- include "openlines.validate.stop" . }}
{{- include "openlines.validate.tls" . }}
{{- end }}

{{- define "openlines.validate.tls" -}}
{{- if and .Values.tls.secretName .Values.tls.dangerousPlaintext }}
{{- fail "tls: give one of secretName and dangerousPlaintext" }}
{{- end }}
{{- if and .Values.tls.clientCa.configMap (not .Values.tls.secretName) }}
{{- fail "tls.clientCa.configMap: clients show certificates over TLS only; give tls.secretName" }}
{{- end }}
{{- if not (or .Values.tls.secretName .Values.tls.dangerousPlaintext) }}
{{- fail "tls: give secretName, a Secret of type kubernetes.io/tls, or dangerousPlaintext: true where a mesh encrypts; without TLS everybody on the way can read API keys and messages" }}
{{- end }}
{{- end }}

{{- define "openlines.validate.store" -}}
{{- $store := .Values.store }}
{{- if and $store.keyring.existingSecret $store.keyring.value }}
{{- fail "store.keyring: give one of existingSecret and value" }}
{{- end }}
{{- if not (or $store.keyring.existingSecret $store.keyring.value) }}
{{- fail "store.keyring: give existingSecret, a Secret with a keyring from `openlines keys new-sealing-key`, or value; without a key no secret can be stored" }}
{{- end }}
{{- if include "openlines.isPostgresql" . }}
{{- if and $store.postgresql.existingSecret $store.postgresql.url }}
{{- fail "store.postgresql: give one of existingSecret and url" }}
{{- end }}
{{- if not (or $store.postgresql.existingSecret $store.postgresql.url) }}
{{- fail "store.postgresql: give existingSecret, a Secret with the address of the database, or url; or store.kind: sqlite and replicaCount: 1 for a single pod with a volume" }}
{{- end }}
{{- if and $store.postgresql.url (not (regexMatch "^postgres(ql)?://" $store.postgresql.url)) }}
{{- fail "store.postgresql.url: give postgresql://USER:PASSWORD@HOST/DATABASE" }}
{{- end }}
{{- else }}
{{- if or $store.postgresql.existingSecret $store.postgresql.url }}
{{- fail "store.postgresql: is given with store.kind: sqlite; give what belongs to one kind" }}
{{- end }}
{{- if ne (.Values.replicaCount | int) 1 }}
{{- fail "replicaCount: give 1 with store.kind: sqlite, because one process at a time can use the file; several replicas need store.kind: postgresql" }}
{{- end }}
{{- $volume := $store.sqlite.persistence }}
{{- if and $volume.existingClaim (not $volume.enabled) }}
{{- fail "store.sqlite.persistence: existingClaim is given, and enabled is false; give one of the two" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.secrets" -}}
{{- if and .Values.secrets .Values.existingSecret }}
{{- fail "secrets, existingSecret: give one of the two" }}
{{- end }}
{{- $places := include "openlines.secretPlaces" . | fromJson }}
{{- if and $places (not (or .Values.secrets .Values.existingSecret)) }}
{{- fail "secrets, existingSecret: give one of the two; the secrets of tenants and applications come from there" }}
{{- end }}
{{- range $place, $key := $places }}
{{- if or (not (regexMatch "^[-._a-zA-Z0-9]{1,253}$" $key)) (regexMatch "^\\.\\.?$" $key) (hasPrefix ".." $key) }}
{{- fail (printf "%s: give the name of a key in the Secret: letters, digits, `-`, `_` and `.`" $place) }}
{{- end }}
{{- if and $.Values.secrets (not (hasKey $.Values.secrets $key)) }}
{{- fail (printf "%s: names no key of `secrets`" $place) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.tenants" -}}
{{- $registered := list }}
{{- range .Values.applications }}
{{- $registered = append $registered .clientId }}
{{- end }}
{{- $ids := dict }}
{{- range $index, $tenant := .Values.tenants }}
{{- $place := printf "tenants[%d]" $index }}
{{- if hasKey $ids .id }}
{{- fail (printf "%s.id: another tenant has it already" $place) }}
{{- end }}
{{- $_ := set $ids .id true }}
{{- if not (regexMatch "^([a-z0-9-]+(\\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?|http://(127\\.0\\.0\\.1|\\[::1\\]):[0-9]+)$" .portal) }}
{{- fail (printf "%s.portal: give the host name alone, in lower case: no scheme, no path, and a port only as in settings.portals.self_hosted" $place) }}
{{- end }}
{{- if hasKey . "application" }}
{{- $application := .application | default dict }}
{{- if not (or $application.accessTokenKey $application.refreshTokenKey) }}
{{- fail (printf "%s.application: give refreshTokenKey, accessTokenKey or both" $place) }}
{{- end }}
{{- if and (or $application.refreshTokenKey $application.clientSecretKey) (not $application.clientId) }}
{{- fail (printf "%s.application.clientId: is missing; without it no token can be refreshed" $place) }}
{{- end }}
{{- if and $application.clientId (not $application.clientSecretKey) (not (has $application.clientId $registered)) }}
{{- fail (printf "%s.application.clientId: is that of none of `applications`; add it there, or give clientSecretKey" $place) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.applications" -}}
{{- $names := dict }}
{{- $clientIds := dict }}
{{- range $index, $application := .Values.applications }}
{{- $place := printf "applications[%d]" $index }}
{{- if hasKey $names .name }}
{{- fail (printf "%s.name: another application has it already" $place) }}
{{- end }}
{{- $_ := set $names .name true }}
{{- if hasKey $clientIds .clientId }}
{{- fail (printf "%s.clientId: another application has it already" $place) }}
{{- end }}
{{- $_ := set $clientIds .clientId true }}
{{- end }}
{{- end }}

{{- define "openlines.validate.installation" -}}
{{- $installation := .Values.installation }}
{{- if and $installation.enabled (not .Values.applications) }}
{{- fail "installation.enabled: needs `applications`; events of others are not taken" }}
{{- end }}
{{- if and (or $installation.ingress.enabled $installation.httpRoute.enabled) (not $installation.enabled) }}
{{- fail "installation.ingress, installation.httpRoute: set installation.enabled, or nothing answers there" }}
{{- end }}
{{- if and $installation.ingress.enabled (not $installation.ingress.host) }}
{{- fail "installation.ingress.host: give the name that Bitrix24 calls" }}
{{- end }}
{{- if and $installation.httpRoute.enabled (not $installation.httpRoute.parentRefs) }}
{{- fail "installation.httpRoute.parentRefs: name the gateway, and of its listeners one for HTTPS" }}
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
{{- if not (or .keys .tokens .certificates) }}
{{- fail (printf "%s: give keys, tokens or certificates; without any of them it could never call" $place) }}
{{- end }}
{{- range $number, $given := .keys }}
{{- $key := $given }}
{{- if kindIs "map" $given }}
{{- $key = $given.entry }}
{{- end }}
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
{{- fail (printf "terminationGracePeriodSeconds: give at least %d, the sum of preStop.sleep, settings.server.shutdown_delay_seconds, settings.server.drain_seconds, twice settings.authorization.timeout_seconds (10 unless set) and 15; else running calls and refreshes of access tokens are killed" $needed) }}
{{- end }}
{{- end }}
