{{/* What the schema cannot tell: values that do not go together. All mistakes are told at once. */}}

{{- define "spanledger.checks" -}}
{{- $v := .Values }}
{{- $wrong := list }}
{{- $deployment := eq $v.mode "deployment" }}
{{- $replicas := int $v.replicaCount }}
{{- $scaled := or $v.autoscaling.enabled $v.keda.enabled }}
{{- if eq $v.store.type "embedded" }}
  {{- if $deployment }}
    {{- $wrong = append $wrong "store.type: embedded keeps the ledger on a volume; it needs mode: statefulset" }}
  {{- end }}
  {{- if or (gt $replicas 1) $scaled }}
    {{- $wrong = append $wrong "store.type: embedded takes one replica: each would have a ledger of its own. Use clickhouse or postgres" }}
  {{- end }}
  {{- if gt (int $v.workers) 1 }}
    {{- $wrong = append $wrong "store.type: embedded takes workers: 1" }}
  {{- end }}
{{- end }}
{{- if and (eq $v.store.type "none") (not $v.existingConfigMap.name) (not (dig "service" "pipelines" "" $v.config)) }}
  {{- $wrong = append $wrong "store.type: none needs config with exporters and service.pipelines, or existingConfigMap.name" }}
{{- end }}
{{- range list "clickhouse" "postgres" }}
  {{- $store := index $v.store . }}
  {{- if eq $v.store.type . }}
    {{- if and (eq $v.trialDatabase.type "none") (not $store.endpoint) }}
      {{- $wrong = append $wrong (printf "store.type: %s needs store.%s.endpoint" . .) }}
    {{- end }}
    {{- if and $store.password $store.existingSecret.name }}
      {{- $wrong = append $wrong (printf "store.%s: give password or existingSecret.name, not both" .) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if not (has $v.trialDatabase.type (list "none" $v.store.type)) }}
  {{- $wrong = append $wrong (printf "trialDatabase.type: %s needs store.type: %s" $v.trialDatabase.type $v.trialDatabase.type) }}
{{- end }}
{{- if and (ne $v.access.type "none") (not $v.access.existingSecret.name) }}
  {{- $wrong = append $wrong (printf "access.type: %s needs access.existingSecret.name" $v.access.type) }}
{{- end }}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef) }}
  {{- $wrong = append $wrong "tls.certManager needs issuerRef" }}
{{- end }}
{{- if and $v.tls.clientCaSecret.name (not (include "spanledger.tlsSecret" .)) }}
  {{- $wrong = append $wrong "tls.clientCaSecret needs tls.secretName or tls.certManager" }}
{{- end }}
{{- if and $v.api.expose (eq $v.access.type "none") (not $v.api.allowAnyone) }}
  {{- $wrong = append $wrong "api.expose shows prompts and answers to everyone who reaches the service: set access.type, or say api.allowAnyone: true" }}
{{- end }}
{{- if and $v.ingress.api.enabled (not $v.api.expose) }}
  {{- $wrong = append $wrong "ingress.api needs api.expose: true" }}
{{- end }}
{{- range $name, $ingress := $v.ingress }}
  {{- if and $ingress.enabled (not $ingress.hosts) }}
    {{- $wrong = append $wrong (printf "ingress.%s needs hosts" $name) }}
  {{- end }}
{{- end }}
{{- range list "httpRoute" "grpcRoute" }}
  {{- $route := index $v . }}
  {{- if and $route.enabled (not $route.parentRefs) }}
    {{- $wrong = append $wrong (printf "%s needs parentRefs" .) }}
  {{- end }}
{{- end }}
{{- if and $v.autoscaling.enabled $v.keda.enabled }}
  {{- $wrong = append $wrong "autoscaling and keda: enable one of them, both would set the number of replicas" }}
{{- end }}
{{- if and $v.keda.enabled (not $v.keda.triggers) }}
  {{- $wrong = append $wrong "keda needs triggers" }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled }}
  {{- $wrong = append $wrong "serviceMonitor and podMonitor: enable one of them, or everything is scraped twice" }}
{{- end }}
{{- if and (or $v.serviceMonitor.enabled $v.podMonitor.enabled) (not $v.metrics.enabled) }}
  {{- $wrong = append $wrong "serviceMonitor and podMonitor need metrics.enabled: true" }}
{{- end }}
{{- if and $v.persistence.existingClaim (or (gt $replicas 1) $scaled) }}
  {{- $wrong = append $wrong "persistence.existingClaim takes one replica: logs are not shared" }}
{{- end }}
{{- $needed := add (int $v.shutdown.preStopSleepSeconds) (int $v.shutdown.graceSeconds) }}
{{- if le (int (include "spanledger.terminationGracePeriodSeconds" .)) (int $needed) }}
  {{- $wrong = append $wrong (printf "terminationGracePeriodSeconds must be more than the %d s of shutdown.preStopSleepSeconds and shutdown.graceSeconds, or pods are killed while they deliver" $needed) }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\nThese values do not go together:\n  - %s\n" (join "\n  - " $wrong)) }}
{{- end }}
{{- end }}
