{{- define "seconder.labels" -}}
app.kubernetes.io/name: seconder
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "seconder.selector" -}}
app.kubernetes.io/name: seconder
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "seconder.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* What both programs are told. */ -}}
{{- define "seconder.commonArgs" -}}
- --namespace={{ .Release.Namespace }}
- {{ printf "--serving-secret=%s" .Values.certificates.secretName | quote }}
{{- with .Values.clusterId }}
- {{ printf "--cluster-id=%s" . | quote }}
{{- end }}
{{- range .Values.controllers }}
- {{ printf "--controller=%s" . | quote }}
{{- end }}
{{- range .Values.namespaceAliases }}
- {{ printf "--namespace-alias=%s.%s=%s%s" .resource .group .field (ternary "?" "" (.optional | default false)) | quote }}
{{- end }}
{{- if .Values.portal.enabled }}
- {{ printf "--portal-origin=%s" .Values.portal.origin | quote }}
{{- end }}
{{- if .Values.agentPods.reachNodes }}
- --agents-reach-nodes
{{- end }}
{{- end }}

{{- /* What both pods have. Values: root, component, settings (webhook or operator). */ -}}
{{- define "seconder.podSpec" -}}
serviceAccountName: seconder-{{ .component }}
{{- if .settings.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with .settings.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" .settings.hostNetwork) }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
securityContext: {{- include "seconder.given" .root.Values.podSecurityContext | nindent 2 }}
{{- with .settings.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
# OpenSSL reads certificates from files alone.
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- if and (eq .component "webhook") .root.Values.webhook.clientCA }}
- name: client-ca
  configMap: {name: {{ include "seconder.clientCA" .root.Values.webhook.clientCA }}}
{{- end }}
{{- if and (eq .component "operator") .root.Values.notifications.secretName }}
- name: notifications
  secret: {secretName: {{ .root.Values.notifications.secretName | quote }}}
{{- end }}
{{- end }}

{{- /* The ConfigMap of the CA whose certificates API servers show. Given: the PEM. */ -}}
{{- define "seconder.clientCA" -}}
seconder-webhook-client-ca-{{ . | sha256sum | trunc 8 }}
{{- end }}

{{- /* A mapping without what is null: Helm keeps a null of a values file that a schema lets in. */ -}}
{{- define "seconder.given" -}}
{{- $given := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $given $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $given -}}
{{- end }}

{{- /* Of the pods: labels and annotations. Those by which Services find them come last, and win. */ -}}
{{- define "seconder.podMetadata" -}}
labels: {{- merge (include "seconder.labels" . | fromYaml) .settings.podLabels | toYaml | nindent 2 }}
{{- with .settings.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Where several are, apart from each other. */ -}}
{{- define "seconder.spread" -}}
{{- with .settings.topologySpreadConstraints }}
{{- toYaml . }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "seconder.selector" $.component | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* How many must stay up while nodes are drained; none where there is one alone, which could never be drained. */ -}}
{{- define "seconder.budget" -}}
{{- if gt (int .settings.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: seconder-{{ .component }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels: {{- include "seconder.labels" . | nindent 4 }}
spec:
  minAvailable: {{ .settings.minAvailable }}
  selector:
    matchLabels: {{- include "seconder.selector" .component | nindent 6 }}
{{- end }}
{{- end }}

{{- define "seconder.container" -}}
image: {{ include "seconder.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext: {{- include "seconder.given" .root.Values.securityContext | nindent 2 }}
{{- with .settings.env }}
env: {{- toYaml . | nindent 0 }}
{{- end }}
resources: {{- toYaml .settings.resources | nindent 2 }}
volumeMounts:
- {name: tmp, mountPath: /tmp}
{{- if and (eq .component "webhook") .root.Values.webhook.clientCA }}
- {name: client-ca, mountPath: /etc/seconder/client-ca, readOnly: true}
{{- end }}
{{- if and (eq .component "operator") .root.Values.notifications.secretName }}
- {name: notifications, mountPath: /etc/seconder/notifications, readOnly: true}
{{- end }}
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  initialDelaySeconds: 10
  periodSeconds: 10
  timeoutSeconds: 2
{{- end }}
