{{/* Names, labels, the image. */}}

{{- define "spanledger.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* At most 50 characters: suffixes are added, and names of pods are labels of at most 63. */}}
{{- define "spanledger.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "spanledger.selector" -}}
app.kubernetes.io/name: {{ include "spanledger.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: receiver
{{- end }}

{{/* metadata.labels of an object. Called with a dict: root, and where wanted component and labels. */}}
{{- define "spanledger.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "spanledger.name" .root)
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/component" (.component | default "receiver")
  "app.kubernetes.io/version" (.root.Values.image.tag | default .root.Chart.AppVersion | trunc 63)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.commonLabels) (deepCopy (.labels | default dict)) $own) }}
{{- end }}

{{/* A metadata block. Called with a dict: root, name, and where wanted component, labels, annotations. */}}
{{- define "spanledger.metadata" -}}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "spanledger.labels" . | nindent 4 }}
  {{- with mergeOverwrite (deepCopy .root.Values.commonAnnotations) (deepCopy (.annotations | default dict)) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "spanledger.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- $flavour := ternary "-embedded" "" (eq .Values.store.type "embedded") }}
{{- printf "%s:%s" $image.repository ($image.tag | default (printf "%s%s" .Chart.AppVersion $flavour)) }}
{{- end }}
{{- end }}

{{- define "spanledger.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "spanledger.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "spanledger.trialName" -}}
{{ include "spanledger.fullname" . }}-trial-{{ .Values.trialDatabase.type }}
{{- end }}

{{/* Name and key of the Secret with the store's password: the user's, the trial database's, or the chart's. Empty: none. */}}
{{- define "spanledger.passwordSecret" -}}
{{- $type := .Values.store.type }}
{{- if has $type (list "clickhouse" "postgres") }}
{{- $store := index .Values.store $type }}
{{- if $store.existingSecret.name }}
{{- dict "name" $store.existingSecret.name "key" $store.existingSecret.key | toJson }}
{{- else if ne .Values.trialDatabase.type "none" }}
{{- dict "name" (include "spanledger.trialName" .) "key" "password" | toJson }}
{{- else if $store.password }}
{{- dict "name" (include "spanledger.fullname" .) "key" "password" | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the migrations run as a job: "true" or nothing. */}}
{{- define "spanledger.migrationJob" -}}
{{- if and .Values.migrations.enabled (has .Values.store.type (list "clickhouse" "postgres")) (eq .Values.trialDatabase.type "none") -}}
true
{{- end }}
{{- end }}

{{- define "spanledger.configMapName" -}}
{{- .Values.existingConfigMap.name | default (include "spanledger.fullname" .) }}
{{- end }}

{{- define "spanledger.terminationGracePeriodSeconds" -}}
{{- $needed := add (int .Values.shutdown.preStopSleepSeconds) (int .Values.shutdown.graceSeconds) }}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- add $needed 15 }}
{{- else }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

{{/* Secret with the certificate of the receivers. Empty: no TLS. */}}
{{- define "spanledger.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled }}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "spanledger.fullname" .)) }}
{{- else }}
{{- .Values.tls.secretName }}
{{- end }}
{{- end }}

{{/* appProtocol of a port of a service. Called with a dict: root, port. */}}
{{- define "spanledger.appProtocol" -}}
{{- if eq .port "api" -}}
http
{{- else if include "spanledger.tlsSecret" .root -}}
https
{{- else }}
{{- index .root.Values.service.appProtocol .port }}
{{- end }}
{{- end }}
