{{- define "keelson.name" -}}
{{- if contains "keelson" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-keelson" (.Release.Name | trunc 42 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "keelson.api" }}{{ include "keelson.name" . }}-api{{ end }}
{{- define "keelson.worker" }}{{ include "keelson.name" . }}-worker{{ end }}
{{- define "keelson.service" }}{{ .Values.api.service.name | default (include "keelson.api" .) }}{{ end }}
{{- define "keelson.apiAccount" }}{{ .Values.api.serviceAccountName | default (include "keelson.api" .) }}{{ end }}
{{- define "keelson.workerAccount" }}{{ .Values.worker.serviceAccountName | default (include "keelson.worker" .) }}{{ end }}
{{- define "keelson.masterKey" }}{{ .Values.masterKeySecret.name | default (printf "%s-master-key" (include "keelson.name" .)) }}{{ end }}
{{- define "keelson.jobNamespace" }}{{ .Values.jobs.namespace | default .Release.Namespace }}{{ end }}

{{- /* Added to the names of objects in a namespace of jobs that releases of this name in several namespaces may share. */}}
{{- define "keelson.ofRelease" }}{{ if ne (include "keelson.jobNamespace" .) .Release.Namespace }}-of-{{ .Release.Namespace }}{{ end }}{{ end }}

{{- define "keelson.jobUrl" -}}
{{- .Values.jobs.apiUrl | default (printf "http://%s.%s.svc:%v" (include "keelson.service" .) .Release.Namespace .Values.api.service.jobPort) }}
{{- end }}

{{- /* What identifies the objects of one component, and what Services and policies select by. */}}
{{- define "keelson.selector" -}}
app.kubernetes.io/name: keelson
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "keelson.labels" -}}
{{ include "keelson.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}
