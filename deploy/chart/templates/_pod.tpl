{{- /* The pod of a component: `command`, `ports` by name, and `health`, the port that tells whether it lives and is ready. */}}
{{- define "keelson.pod" -}}
{{- $v := .root.Values }}
{{- $own := get $v .component }}
metadata:
  labels:
    {{- include "keelson.labels" . | nindent 4 }}
    {{- with $own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if eq .component "worker" }}
    keelson/settings: {{ include "keelson.settings" .root | sha256sum }}
    {{- end }}
    {{- with $own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .account | quote }}
  automountServiceAccountToken: {{ eq .component "worker" }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- if $own.hostNetwork }}
  hostNetwork: true
  {{- if not $own.dnsPolicy }}
  # Else names of Services would mean nothing there.
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- end }}
  {{- range $key := list "dnsPolicy" "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
  {{- with get $own $key }}
  {{ $key }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "keelson.selector" . | nindent 10 }}
  # A worker that is sent SIGTERM takes at most 20 s.
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: {{ .component }}
      image: {{ printf "%s:%s" $v.image.repository ($v.image.tag | default .root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      command: {{ toJson .command }}
      env:
        {{- include "keelson.environment" . | trim | nindent 8 }}
      ports:
        {{- range $name, $port := .ports }}
        {{- if $port }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
        {{- end }}
      # The first start brings the database up to date.
      startupProbe: { httpGet: { path: /healthz/live, port: {{ .health }} }, periodSeconds: 2, failureThreshold: 150 }
      livenessProbe: { httpGet: { path: /healthz/live, port: {{ .health }} }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
      readinessProbe: { httpGet: { path: /healthz/ready, port: {{ .health }} }, periodSeconds: 5, timeoutSeconds: 5 }
      {{- if eq .component "api" }}
      # Until the Service has heard that it goes.
      lifecycle: { preStop: { exec: { command: [sleep, '5'] } } }
      {{- end }}
      resources: {{ toJson $own.resources }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: files, mountPath: /etc/keelson, readOnly: true }
        - { name: data, mountPath: /data }
        - { name: tmp, mountPath: /tmp }
  volumes:
    - name: files
      projected:
        # Readable by the group of the process, which owns none of them.
        defaultMode: 0440
        sources:
          {{- include "keelson.sources" . | trim | nindent 10 }}
    - { name: data, emptyDir: {} }
    - { name: tmp, emptyDir: {} }
{{- end }}

{{- /* On a node's own network there is no room for a new pod beside the old one. */}}
{{- define "keelson.strategy" }}
{{- if (get .root.Values .component).hostNetwork }}
  strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
{{- end }}
{{- end }}

{{- define "keelson.settings" -}}
{{- $image := dict "image" (printf "keelson-job:%s" .Chart.AppVersion) }}
{{- toYaml (mergeOverwrite $image (deepCopy .Values.jobs.settings)) }}
{{- end }}
