{{/*
What no schema can say: rules over several values. Messages name the place and the remedy and never quote a value, because
any value may be a secret in the wrong place. (For the same reason values.schema.json has no pattern.)
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
{{- include "openlines.validate.names" . }}
{{- include "openlines.validate.image" . }}
{{- include "openlines.validate.memory" . }}
{{- include "openlines.validate.pods" . }}
{{- include "openlines.validate.scaling" . }}
{{- include "openlines.validate.ways" . }}
{{- include "openlines.validate.monitoring" . }}
{{- end }}

{{/* What Kubernetes accepts as a label: list of labels and of the place. */}}
{{- define "openlines.validate.labels" -}}
{{- $place := index . 1 }}
{{- range $key, $label := index . 0 }}
{{- if not (regexMatch "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$" $key) }}
{{- fail (printf "%s: a key is no name of a label" $place) }}
{{- end }}
{{- if not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$" $label) }}
{{- fail (printf "%s: a value is not allowed in a label: give at most 63 letters, digits, `-`, `_` and `.`, a letter or digit first and last" $place) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.names" -}}
{{- if not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$" .Values.nameOverride) }}
{{- fail "nameOverride: give letters, digits, `-`, `_` and `.`, a letter or digit first and last" }}
{{- end }}
{{- if and .Values.fullnameOverride (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Values.fullnameOverride)) }}
{{- fail "fullnameOverride: give lower-case letters, digits and `-`, a letter first, and a letter or digit last" }}
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "openlines.fullname" .)) }}
{{- fail "fullnameOverride: give it, because release and nameOverride make a name that Kubernetes refuses for a Service: it has to begin with a lower-case letter and have only these, digits and `-`" }}
{{- end }}
{{- include "openlines.validate.labels" (list .Values.podLabels "podLabels") }}
{{- range $key, $label := .Values.podLabels }}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (eq $key "helm.sh/chart") }}
{{- fail "podLabels: the labels app.kubernetes.io/… and helm.sh/chart are the chart's; Services find the pods by them" }}
{{- end }}
{{- end }}
{{- range $place, $labels := dict "podMonitor.labels" .Values.podMonitor.labels "serviceMonitor.labels" .Values.serviceMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels "dashboards.labels" .Values.dashboards.labels }}
{{- include "openlines.validate.labels" (list $labels $place) }}
{{- range $key, $label := $labels }}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (eq $key "helm.sh/chart") }}
{{- fail (printf "%s: the labels app.kubernetes.io/… and helm.sh/chart are the chart's" $place) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $annotation := .Values.podAnnotations }}
{{- if or (hasPrefix "checksum/" $key) (eq $key "kubectl.kubernetes.io/default-container") }}
{{- fail "podAnnotations: checksum/… and kubectl.kubernetes.io/default-container are the chart's" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.image" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository: give the image's name in your registry; no image is published, README.md says how to build it" }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]+([._:/-]+[a-z0-9]+)*$" .Values.image.repository) }}
{{- fail "image.repository: give the image's name without tag and digest, in lower case, as registry.example/team/bitrix24-openlines" }}
{{- end }}
{{- if regexMatch ":[^/]*$" .Values.image.repository }}
{{- fail "image.repository: give the tag in image.tag" }}
{{- end }}
{{- if not (regexMatch "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$" .Values.image.tag) }}
{{- fail "image.tag: give letters, digits, `_`, `.` and `-`" }}
{{- end }}
{{- if not (regexMatch "^(sha256:[0-9a-f]{64})?$" .Values.image.digest) }}
{{- fail "image.digest: give sha256: and 64 digits of hexadecimal" }}
{{- end }}
{{- end }}

{{- define "openlines.validate.memory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString }}
{{- if $limit }}
{{- $bytes := include "openlines.bytes" $limit | int64 }}
{{- if le $bytes 0 }}
{{- fail "resources.limits.memory: give a number with Ki, Mi, Gi, k, M or G" }}
{{- end }}
{{- $needed := include "openlines.neededBytes" . | int64 }}
{{- if lt $bytes $needed }}
{{- fail (printf "resources.limits.memory: give at least %dMi, which the settings allow calls to use (see Memory in README.md), or lower settings.server.maximum_concurrent_calls, settings.server.maximum_bytes_in_progress or settings.tenants.maximum_cached; else a burst of calls kills the pod" (div (add $needed 1048575) 1048576)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.pods" -}}
{{- range $index, $variable := .Values.extraEnv }}
{{- if hasPrefix "OPENLINES_" .name }}
{{- fail (printf "extraEnv[%d].name: variables OPENLINES_… win over the settings file, past all checks of this chart; use `settings`" $index) }}
{{- end }}
{{- if regexMatch "^OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT$" .name }}
{{- fail (printf "extraEnv[%d].name: the service ignores this variable; give the collector's address in settings.telemetry.otlp_endpoint" $index) }}
{{- end }}
{{- if and $.Values.store.postgresql.userKey (has .name (list "PGUSER" "PGPASSWORD")) }}
{{- fail (printf "extraEnv[%d].name: is set by store.postgresql.userKey and passwordKey" $index) }}
{{- end }}
{{- end }}
{{- range $index, $source := .Values.extraEnvFrom }}
{{- if hasPrefix "OPENLINES" (.prefix | default "") }}
{{- fail (printf "extraEnvFrom[%d].prefix: variables OPENLINES_… win over the settings file, past all checks of this chart; use `settings`" $index) }}
{{- end }}
{{- end }}
{{- $names := list "openlines" }}
{{- range $index, $container := .Values.extraContainers }}
{{- if or (not .name) (has .name $names) }}
{{- fail (printf "extraContainers[%d].name: give one that no other container of the pod has" $index) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- $volumes := list "config" "keyring" "database" "data" "secrets" "tls" "client-ca" "portals-ca" "collector-headers" }}
{{- range $index, $volume := .Values.extraVolumes }}
{{- if or (not .name) (has .name $volumes) }}
{{- fail (printf "extraVolumes[%d].name: give one that no other volume of the pod has" $index) }}
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range $place, $value := dict "maxSurge" .Values.maxSurge "podDisruptionBudget.maxUnavailable" .Values.podDisruptionBudget.maxUnavailable }}
{{- if not (regexMatch "^[1-9][0-9]*%?$" ($value | toString)) }}
{{- fail (printf "%s: give a number or a percentage, more than 0" $place) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.scaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- if $scaling.enabled }}
{{- if not (include "openlines.isPostgresql" .) }}
{{- fail "autoscaling.enabled: needs store.kind: postgresql, because one process at a time can use an SQLite file" }}
{{- end }}
{{- if lt ($scaling.maxReplicas | int) ($scaling.minReplicas | int) }}
{{- fail "autoscaling.maxReplicas: give at least minReplicas" }}
{{- end }}
{{- $most := dig "server" "maximum_concurrent_calls" 20000 (.Values.settings | default dict) | int }}
{{- if ge ($scaling.callsPerPod | int) $most }}
{{- fail "autoscaling.callsPerPod: give less than settings.server.maximum_concurrent_calls (20000 unless set); pods refuse calls there, and never have more" }}
{{- end }}
{{- if and (eq $scaling.kind "keda") (not $scaling.prometheusAddress) }}
{{- fail "autoscaling.prometheusAddress: give the address of Prometheus, as http://prometheus.monitoring.svc:9090" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ways in from outside: what they lead through has to be admitted. */}}
{{- define "openlines.validate.ways" -}}
{{- $policy := .Values.networkPolicy }}
{{- $service := .Values.service }}
{{- if and (eq $service.type "ClusterIP") (or $service.nodePort $service.externalTrafficPolicy) }}
{{- fail "service: nodePort and externalTrafficPolicy need type NodePort or LoadBalancer" }}
{{- end }}
{{- if and (ne $service.type "LoadBalancer") (or $service.loadBalancerClass $service.loadBalancerSourceRanges) }}
{{- fail "service: loadBalancerClass and loadBalancerSourceRanges need type LoadBalancer" }}
{{- end }}
{{- if and $policy.enabled (ne $service.type "ClusterIP") (not $policy.grpcFrom) }}
{{- fail "networkPolicy.grpcFrom: name who may call from outside, because service.type leads there; everybody: [{ipBlock: {cidr: 0.0.0.0/0}}]" }}
{{- end }}
{{- if and .Values.grpcRoute.enabled (not .Values.grpcRoute.parentRefs) }}
{{- fail "grpcRoute.parentRefs: name the gateway, and of its listeners one for HTTPS" }}
{{- end }}
{{- if and $policy.enabled .Values.grpcRoute.enabled (not $policy.grpcFrom) }}
{{- fail "networkPolicy.grpcFrom: name the gateway's pods, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateway}}}]; grpcRoute leads calls through them" }}
{{- end }}
{{- if and $policy.enabled .Values.installation.enabled (not $policy.installationFrom) }}
{{- fail "networkPolicy.installationFrom: name the ingress's or gateway's pods, as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]; events come through them" }}
{{- end }}
{{- end }}

{{- define "openlines.validate.monitoring" -}}
{{- if .Values.collectorHeaders.existingSecret }}
{{- $telemetry := dig "telemetry" (dict) (.Values.settings | default dict) }}
{{- $collector := $telemetry.otlp_endpoint | default "" }}
{{- if not $collector }}
{{- fail "collectorHeaders.existingSecret: needs settings.telemetry.otlp_endpoint, the collector that they are for" }}
{{- end }}
{{- $own := regexMatch "(?i)^http://(localhost|127\\.[0-9.]+|\\[::1\\])([:/]|$)" $collector }}
{{- if not (or (hasPrefix "https:" $collector) $own $telemetry.dangerous_plaintext_headers) }}
{{- fail "collectorHeaders.existingSecret: would be sent without TLS, and everybody on the way can read it; give settings.telemetry.otlp_endpoint with https://, or set settings.telemetry.dangerous_plaintext_headers if a mesh encrypts" }}
{{- end }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}
{{- fail "podMonitor, serviceMonitor: enable one of the two; with both every series is there twice" }}
{{- end }}
{{- if and .Values.prometheusRule.enabled (not .Values.prometheusRule.runbookUrl) }}
{{- fail "prometheusRule.runbookUrl: give the address where your people read docs/runbook.md; each alert links to its entry there" }}
{{- end }}
{{- if and .Values.prometheusRule.runbookUrl (not (regexMatch "^https?://[^\\s#]+$" .Values.prometheusRule.runbookUrl)) }}
{{- fail "prometheusRule.runbookUrl: give an address with https:// and without anchor" }}
{{- end }}
{{- $alerts := list }}
{{- range (.Files.Get "alerts/openlines.yaml" | fromYaml).groups }}
{{- range .rules }}
{{- $alerts = append $alerts .alert }}
{{- end }}
{{- end }}
{{- range $index, $name := .Values.prometheusRule.disabled }}
{{- if not (has $name $alerts) }}
{{- fail (printf "prometheusRule.disabled[%d]: is the name of none of the alerts in alerts/openlines.yaml" $index) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "openlines.validate.tls" -}}
{{- $ways := 0 }}
{{- range list (ne .Values.tls.secretName "") .Values.tls.certificate.enabled .Values.tls.dangerousPlaintext }}
{{- $ways = ternary (add1 $ways) $ways . }}
{{- end }}
{{- if gt ($ways | int) 1 }}
{{- fail "tls: give one of secretName, certificate.enabled and dangerousPlaintext" }}
{{- end }}
{{- if eq ($ways | int) 0 }}
{{- fail "tls: give secretName, a Secret of type kubernetes.io/tls, or certificate.enabled for one of cert-manager, or dangerousPlaintext: true where a mesh encrypts; without TLS everybody on the way can read API keys and messages" }}
{{- end }}
{{- if and .Values.tls.certificate.enabled (not .Values.tls.certificate.issuerRef.name) }}
{{- fail "tls.certificate.issuerRef.name: give the name of an Issuer or ClusterIssuer" }}
{{- end }}
{{- if and .Values.tls.clientCa.configMap (not (include "openlines.tlsSecretName" .)) }}
{{- fail "tls.clientCa.configMap: clients show certificates over TLS only; give tls.secretName or tls.certificate" }}
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
{{- $separate := or $store.postgresql.userKey $store.postgresql.passwordKey }}
{{- if and $separate (not (and $store.postgresql.userKey $store.postgresql.passwordKey $store.postgresql.existingSecret $store.postgresql.url)) }}
{{- fail "store.postgresql: userKey and passwordKey go together, with existingSecret that has both, and with url that has neither" }}
{{- end }}
{{- if and $store.postgresql.existingSecret $store.postgresql.url (not $separate) }}
{{- fail "store.postgresql: give one of existingSecret and url, or with both of them userKey and passwordKey" }}
{{- end }}
{{- if not (or $store.postgresql.existingSecret $store.postgresql.url) }}
{{- fail "store.postgresql: give existingSecret, a Secret with the address of the database, or url; or store.kind: sqlite and replicaCount: 1 for a single pod with a volume" }}
{{- end }}
{{- if and $store.postgresql.url (not (regexMatch "^postgres(ql)?://" $store.postgresql.url)) }}
{{- fail "store.postgresql.url: give postgresql://USER:PASSWORD@HOST/DATABASE" }}
{{- end }}
{{- if and $store.postgresql.url (not (regexMatch (include "openlines.databaseUrlForm" .) $store.postgresql.url)) }}
{{- fail "store.postgresql.url: percent-encode user and password (`@` is %40, `#` is %23, `/` is %2F, `:` is %3A, `?` is %3F, `%` is %25), or give them as keys of a Secret: userKey and passwordKey" }}
{{- end }}
{{- if and $separate (contains "@" $store.postgresql.url) }}
{{- fail "store.postgresql.url: give postgresql://HOST/DATABASE without user and password; userKey and passwordKey name them" }}
{{- end }}
{{- else }}
{{- if or $store.postgresql.existingSecret $store.postgresql.url $store.postgresql.userKey $store.postgresql.passwordKey }}
{{- fail "store.postgresql: is given with store.kind: sqlite; give what belongs to one kind" }}
{{- end }}
{{- if and (ne (.Values.replicaCount | int) 1) (not .Values.autoscaling.enabled) }}
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
{{- if not (regexMatch "^[a-z0-9][a-z0-9._-]{0,62}$" .id) }}
{{- fail (printf "%s.id: give at most 63 lower-case letters, digits, `.`, `_` and `-`, a letter or digit first" $place) }}
{{- end }}
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
{{- if not (regexMatch "^[a-z][a-z0-9-]{0,29}$" .name) }}
{{- fail (printf "%s.name: give at most 30 lower-case letters, digits and `-`, a letter first" $place) }}
{{- end }}
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
