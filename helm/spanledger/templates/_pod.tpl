{{/* The pod, the same in a StatefulSet and a Deployment. */}}

{{/* Called with a dict: root, and where the password stands in another Secret than the pods' its name, secretName. */}}
{{- define "spanledger.environment" -}}
{{- with include "spanledger.passwordSecret" .root }}
{{- $secret := fromJson . }}
- name: {{ upper $.root.Values.store.type }}_PASSWORD
  valueFrom:
    secretKeyRef: {{ dict "name" ($.secretName | default $secret.name) "key" $secret.key | toJson }}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end }}

{{/* Volumes that serving and migrating both need. Called with a dict: root, configMap. */}}
{{- define "spanledger.configVolumes" -}}
{{- $store := dict }}
{{- if has .root.Values.store.type (list "clickhouse" "postgres") }}
{{- $store = index .root.Values.store .root.Values.store.type }}
{{- end }}
- name: config
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ ternary "config.yaml" .root.Values.existingConfigMap.key (empty .root.Values.existingConfigMap.name) }}, path: config.yaml}]
- name: tmp
  emptyDir: {sizeLimit: {{ .root.Values.tmpSizeLimit }}}
{{- if dig "caSecret" "name" "" $store }}
- name: store-ca
  secret: {secretName: {{ $store.caSecret.name }}}
{{- end }}
{{- if ne .root.Values.access.type "none" }}
- name: access
  secret: {secretName: {{ .root.Values.access.existingSecret.name }}}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end }}

{{- define "spanledger.configMounts" -}}
{{- $store := dict }}
{{- if has .Values.store.type (list "clickhouse" "postgres") }}
{{- $store = index .Values.store .Values.store.type }}
{{- end }}
- {name: config, mountPath: /etc/spanledger/config.yaml, subPath: config.yaml, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if dig "caSecret" "name" "" $store }}
- {name: store-ca, mountPath: /etc/spanledger/store-ca, readOnly: true}
{{- end }}
{{- if ne .Values.access.type "none" }}
- {name: access, mountPath: /etc/spanledger/access, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{- define "spanledger.container" -}}
name: spanledger
image: {{ include "spanledger.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config=/etc/spanledger/config.yaml
  - --grace={{ .Values.shutdown.graceSeconds }}s
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "spanledger.environment" (dict "root" .) | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {name: grpc, containerPort: {{ .Values.ports.grpc }}}
  - {name: http, containerPort: {{ .Values.ports.http }}}
  - {name: health, containerPort: {{ .Values.ports.health }}}
  {{- if and .Values.api.enabled .Values.api.expose }}
  - {name: api, containerPort: {{ .Values.ports.api }}}
  {{- end }}
  {{- if .Values.metrics.enabled }}
  - {name: metrics, containerPort: {{ .Values.ports.metrics }}}
  {{- end }}
livenessProbe:
  {{- toYaml .Values.livenessProbe | nindent 2 }}
readinessProbe:
  {{- toYaml .Values.readinessProbe | nindent 2 }}
startupProbe:
  {{- toYaml .Values.startupProbe | nindent 2 }}
{{- if .Values.lifecycle }}
lifecycle:
  {{- toYaml .Values.lifecycle | nindent 2 }}
{{- else if .Values.shutdown.preStopSleepSeconds }}
lifecycle:
  preStop:
    sleep: {seconds: {{ .Values.shutdown.preStopSleepSeconds }}}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- with .Values.resizePolicy }}
resizePolicy:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  {{- include "spanledger.configMounts" . | trim | nindent 2 }}
  {{- if include "spanledger.tlsSecret" . }}
  - {name: tls, mountPath: /etc/spanledger/tls, readOnly: true}
  {{- end }}
  {{- if .Values.tls.clientCaSecret.name }}
  - {name: client-ca, mountPath: /etc/spanledger/client-ca, readOnly: true}
  {{- end }}
  - {name: data, mountPath: /var/lib/spanledger}
{{- end }}

{{- define "spanledger.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "spanledger.selector" . | fromYaml) }}
{{- $constraints := .Values.topologySpreadConstraints }}
{{- if not $constraints }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
{{- end }}
{{- end }}
{{- range $constraints }}
- {{ merge (deepCopy .) (dict "labelSelector" $selector) | toJson }}
{{- end }}
{{- end }}

{{- define "spanledger.podTemplate" -}}
metadata:
  labels:
    {{- include "spanledger.labels" (dict "root" . "labels" .Values.podLabels) | nindent 4 }}
  {{- $annotations := mergeOverwrite (deepCopy .Values.commonAnnotations) (deepCopy .Values.podAnnotations) }}
  {{- if not .Values.existingConfigMap.name }}
  {{- $_ := set $annotations "checksum/config" (include "spanledger.config" . | sha256sum) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "spanledger.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "spanledger.terminationGracePeriodSeconds" . }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  containers:
    -
      {{- include "spanledger.container" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "spanledger.configVolumes" (dict "root" . "configMap" (include "spanledger.configMapName" .)) | trim | nindent 4 }}
    {{- with include "spanledger.tlsSecret" . }}
    - name: tls
      secret: {secretName: {{ . }}}
    {{- end }}
    {{- with .Values.tls.clientCaSecret.name }}
    - name: client-ca
      secret: {secretName: {{ . }}}
    {{- end }}
    {{- if or (eq .Values.mode "deployment") (not .Values.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
    {{- end }}
  topologySpreadConstraints:
    {{- include "spanledger.topologySpread" . | trim | nindent 4 }}
  {{- range $key := list "affinity" "nodeSelector" "tolerations" "priorityClassName" "runtimeClassName" "schedulerName" "hostAliases" "dnsPolicy" "dnsConfig" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
