{{/* The configuration that the chart makes, as YAML, with .Values.config laid over it. */}}

{{- define "spanledger.exporter" -}}
{{- $store := .Values.store }}
{{- $common := dict "runs_ttl_days" (int $store.runsTtlDays) "payloads_ttl_days" (int $store.payloadsTtlDays) }}
{{- $migrated := dict "auto_migrate" (not (include "spanledger.migrationJob" .)) }}
{{- if eq $store.type "embedded" }}
{{- toYaml (dict "clickhouse" (merge (dict "endpoint" "chdb:///var/lib/spanledger/clickhouse") $common)) }}
{{- else if eq $store.type "clickhouse" }}
{{- $own := $store.clickhouse }}
{{- $endpoint := $own.endpoint }}
{{- if ne .Values.trialDatabase.type "none" }}
{{- $endpoint = printf "http://%s:8123" (include "spanledger.trialName" .) }}
{{- end }}
{{- $exporter := merge (dict "endpoint" $endpoint "database" $own.database "username" $own.username) $common $migrated }}
{{- if include "spanledger.passwordSecret" . }}
{{- $_ := set $exporter "password" "${env:CLICKHOUSE_PASSWORD}" }}
{{- end }}
{{- with $own.cluster }}
{{- $_ := set $exporter "cluster" . }}
{{- end }}
{{- if $own.caSecret.name }}
{{- $_ := set $exporter "tls" (dict "ca_file" (printf "/etc/spanledger/store-ca/%s" $own.caSecret.key)) }}
{{- end }}
{{- toYaml (dict "clickhouse" $exporter) }}
{{- else if eq $store.type "postgres" }}
{{- $own := $store.postgres }}
{{- $endpoint := $own.endpoint }}
{{- if ne .Values.trialDatabase.type "none" }}
{{- $endpoint = printf "postgresql://%s:5432" (include "spanledger.trialName" .) }}
{{- end }}
{{- $exporter := merge (dict "endpoint" $endpoint "database" $own.database "schema_name" $own.schema "username" $own.username) $common $migrated }}
{{- if include "spanledger.passwordSecret" . }}
{{- $_ := set $exporter "password" "${env:POSTGRES_PASSWORD}" }}
{{- end }}
{{- $tls := dict "sslmode" ($own.sslmode | default (ternary "verify-full" "prefer" (not (empty $own.caSecret.name)))) }}
{{- if $own.caSecret.name }}
{{- $_ := set $tls "ca_file" (printf "/etc/spanledger/store-ca/%s" $own.caSecret.key) }}
{{- end }}
{{- $_ := set $exporter "tls" $tls }}
{{- toYaml (dict "postgres" $exporter) }}
{{- end }}
{{- end }}

{{- define "spanledger.extensions" -}}
{{- $listen := .Values.listenAddress }}
{{- $extensions := dict "health_check" (dict "endpoint" (printf "%s:%d" $listen (int .Values.ports.health))) }}
{{- if eq .Values.mode "statefulset" }}
{{- $_ := set $extensions "file_storage" (dict "directory" "/var/lib/spanledger/log" "max_bytes" (mul (int .Values.log.maxMib) 1048576)) }}
{{- end }}
{{- if ne .Values.store.type "none" }}
{{- $_ := set $extensions "maintenance" dict }}
{{- end }}
{{- if and .Values.api.enabled (ne .Values.store.type "none") }}
{{- $host := ternary $listen "127.0.0.1" .Values.api.expose }}
{{- $_ := set $extensions "api" (dict "endpoint" (printf "%s:%d" $host (int .Values.ports.api))) }}
{{- end }}
{{- $secret := printf "/etc/spanledger/access/%s" .Values.access.existingSecret.key }}
{{- if eq .Values.access.type "projects" }}
{{- $_ := set $extensions "projects" (dict "file" $secret) }}
{{- else if eq .Values.access.type "token" }}
{{- $_ := set $extensions "bearertokenauth" (dict "filename" $secret) }}
{{- if hasKey $extensions "api" }}
{{- $_ := set $extensions.api "auth" (dict "authenticator" "bearertokenauth") }}
{{- end }}
{{- end }}
{{- toYaml $extensions }}
{{- end }}

{{- define "spanledger.config" -}}
{{- $listen := .Values.listenAddress }}
{{- $grpc := dict "endpoint" (printf "%s:%d" $listen (int .Values.ports.grpc)) }}
{{- $http := dict "endpoint" (printf "%s:%d" $listen (int .Values.ports.http)) }}
{{- if eq .Values.access.type "token" }}
{{- $_ := set $grpc "auth" (dict "authenticator" "bearertokenauth") }}
{{- $_ := set $http "auth" (dict "authenticator" "bearertokenauth") }}
{{- end }}
{{- if include "spanledger.tlsSecret" . }}
{{- $tls := dict "cert_file" "/etc/spanledger/tls/tls.crt" "key_file" "/etc/spanledger/tls/tls.key" }}
{{- if .Values.tls.clientCaSecret.name }}
{{- $_ := set $tls "client_ca_file" (printf "/etc/spanledger/client-ca/%s" .Values.tls.clientCaSecret.key) }}
{{- end }}
{{- $_ := set $grpc "tls" $tls }}
{{- $_ := set $http "tls" $tls }}
{{- end }}
{{- $config := dict
  "receivers" (dict "otlp" (dict "protocols" (dict "grpc" $grpc "http" $http)))
  "extensions" (include "spanledger.extensions" . | fromYaml) }}
{{- $telemetry := dict "logs" (dict "encoding" .Values.logEncoding "level" .Values.logLevel) }}
{{- if .Values.metrics.enabled }}
{{- $prometheus := dict "host" (trimAll "[]" $listen) "port" (int .Values.ports.metrics) }}
{{- $readers := list (dict "pull" (dict "exporter" (dict "prometheus" $prometheus))) }}
{{- $_ := set $telemetry "metrics" (dict "level" .Values.metrics.level "readers" $readers) }}
{{- else }}
{{- $_ := set $telemetry "metrics" (dict "level" "none") }}
{{- end }}
{{- $service := dict "workers" (int .Values.workers) "telemetry" $telemetry }}
{{- if ne .Values.store.type "none" }}
{{- $_ := set $config "exporters" (include "spanledger.exporter" . | fromYaml) }}
{{- $pipelines := dict }}
{{- range list "traces" "logs" "metrics" }}
{{- $_ := set $pipelines . (dict "receivers" (list "otlp") "exporters" (keys $config.exporters)) }}
{{- end }}
{{- $_ := set $service "pipelines" $pipelines }}
{{- end }}
{{- $_ := set $config "service" $service }}
{{- $config = mergeOverwrite $config (tpl (toYaml .Values.config) . | fromYaml) }}
{{- if not (hasKey $config.service "extensions") }}
{{- $_ := set $config.service "extensions" (keys $config.extensions | sortAlpha) }}
{{- end }}
{{- toYaml $config }}
{{- end }}
