{{- /* The files that API or worker read, with the variables that name them. Processes read Secrets as files, never as values. */}}
{{- define "keelson.files" -}}
{{- $v := .root.Values }}
{{- $secrets := dict
  "MASTER_KEY_FILE" (dict "name" (include "keelson.masterKey" .root) "key" $v.masterKeySecret.key)
  "DATABASE_PASSWORD_FILE" $v.database.passwordSecret
  "GIT_CREDENTIALS_FILE" $v.git.credentialsSecret
  "GIT_SSH_KEY_FILE" $v.git.sshKeySecret
  "VAULT_TOKEN_FILE" $v.vault.tokenSecret
}}
{{- with $v.temporal.tlsSecret }}
{{- range $variable, $key := dict "TEMPORAL_TLS_CA_FILE" .authorityKey "TEMPORAL_TLS_CERT_FILE" .certificateKey "TEMPORAL_TLS_KEY_FILE" .privateKey }}
{{- if $key }}
{{- $_ := set $secrets $variable (dict "name" $v.temporal.tlsSecret.name "key" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- $maps := dict
  "DATABASE_CA_FILE" $v.database.certificateAuthority
  "GIT_CA_FILE" $v.git.certificateAuthority
  "GIT_KNOWN_HOSTS_FILE" $v.git.knownHosts
  "VAULT_CA_FILE" $v.vault.certificateAuthority
}}
{{- if eq $v.runner "kubernetes" }}
{{- $_ := set $maps "KUBERNETES_SETTINGS_FILE" (dict "name" (printf "%s-jobs" (include "keelson.name" .root)) "key" "settings.yaml") }}
{{- end }}
{{- if eq .component "api" }}
{{- $_ := set $secrets "AUTH_TOKENS_FILE" $v.api.tokensSecret }}
{{- else }}
{{- $_ := set $secrets "HSM_TOKEN_FILE" $v.hsm.tokenSecret }}
{{- $_ := set $secrets "IMS_TOKEN_FILE" $v.ims.tokenSecret }}
{{- $_ := set $secrets "WEBHOOKS_FILE" $v.webhooksSecret }}
{{- $_ := set $maps "HSM_CA_FILE" $v.hsm.certificateAuthority }}
{{- $_ := set $maps "IMS_CA_FILE" $v.ims.certificateAuthority }}
{{- $_ := set $maps "INVENTORY_FILE" $v.inventory }}
{{- end }}
{{- range $kind, $references := dict "secret" $secrets "configMap" $maps }}
{{- range $variable, $reference := $references }}
{{- if $reference.name }}
- { variable: {{ $variable }}, kind: {{ $kind }}, name: {{ $reference.name | quote }}, key: {{ $reference.key | quote }}, path: {{ $variable | lower | replace "_" "-" }} }
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The sources of the projected volume with these files. */}}
{{- define "keelson.sources" -}}
{{- range include "keelson.files" . | fromYamlArray }}
- {{ .kind }}: { name: {{ .name | quote }}, items: [{ key: {{ .key | quote }}, path: {{ .path }} }] }
{{- end }}
{{- range .root.Values.sourceAuthorities }}
- {{ .kind | default "configMap" }}: { name: {{ .name | quote }}, items: [{ key: {{ .key | default "certificate_authority.crt" | quote }}, path: {{ printf "source-ca/%s" .name | quote }} }] }
{{- end }}
{{- if include "keelson.vaultLogin" .root }}
- serviceAccountToken: { path: vault-jwt-file, expirationSeconds: 3600{{ with .root.Values.vault.audience }}, audience: {{ . | quote }}{{ end }} }
{{- end }}
{{- end }}

{{- /* Not empty if API and worker log in to Vault with their service accounts. */}}
{{- define "keelson.vaultLogin" }}{{ with .Values.vault }}{{ if and .url (not .tokenSecret.name) }}login{{ end }}{{ end }}{{ end }}

{{- define "keelson.environment" -}}
{{- $v := .root.Values }}
{{- $environment := dict
  "KEELSON_DATA" "/data"
  "RUNNER" $v.runner
  "DATABASE_URL" $v.database.url
  "DATABASE_POOL_SIZE" $v.database.poolSize
  "TEMPORAL_ADDRESS" $v.temporal.address
  "TEMPORAL_NAMESPACE" $v.temporal.namespace
  "GIT_ALLOW_PROTOCOL" $v.git.allowProtocol
  "GIT_PROXY" $v.git.proxy
  "GIT_NO_PROXY" $v.git.noProxy
  "IMS_URL" $v.ims.url
  "TAPMS_URL" $v.tapms.url
  "VAULT_ADDR" $v.vault.url
  "VAULT_ROLE" $v.vault.role
  "LOG_LEVEL" $v.logLevel
}}
{{- range include "keelson.files" . | fromYamlArray }}
{{- if ne .variable "DATABASE_CA_FILE" }}
{{- $_ := set $environment .variable (printf "/etc/keelson/%s" .path) }}
{{- end }}
{{- end }}
{{- if $v.sourceAuthorities }}
{{- $_ := set $environment "SOURCE_CA_DIRECTORY" "/etc/keelson/source-ca" }}
{{- end }}
{{- if include "keelson.vaultLogin" .root }}
{{- $_ := set $environment "VAULT_JWT_FILE" "/etc/keelson/vault-jwt-file" }}
{{- $_ := set $environment "VAULT_ROLE" ($v.vault.role | default .root.Release.Namespace) }}
{{- end }}
{{- $own := ternary "keelson.apiEnvironment" "keelson.workerEnvironment" (eq .component "api") }}
{{- $environment = mergeOverwrite $environment (include $own .root | fromYaml) (deepCopy (get $v .component).environment) }}
{{- range $name, $value := $environment }}
{{- if ne (toString $value) "" }}
- { name: {{ $name }}, value: {{ include "keelson.text" $value | quote }} }
{{- end }}
{{- end }}
{{- with $v.database.urlSecret }}
{{- if .name }}
- name: DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .name | quote }}, key: {{ .key | quote }} } }
{{- end }}
{{- end }}
{{- end }}

{{- /* Helm reads integers as floats, so 16777216 would be rendered as 1.6777216e+07. */}}
{{- define "keelson.text" }}{{ if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}{{ end }}

{{- define "keelson.apiEnvironment" -}}
{{- with .Values.api -}}
API_LISTEN: 0.0.0.0:{{ .ports.http }}
JOB_LISTEN: 0.0.0.0:{{ .ports.jobs }}
METRICS_LISTEN: {{ if .ports.metrics }}0.0.0.0:{{ .ports.metrics }}{{ else }}''{{ end }}
AUTH: {{ ternary "none" "''" (eq .auth "none") }}
PUBLIC_URL: {{ .publicUrl | quote }}
MAX_BODY_BYTES: {{ int64 .maxBodyBytes }}
MAX_LIST_BYTES: {{ int64 .maxListBytes }}
{{- end }}
{{- end }}

{{- define "keelson.workerEnvironment" -}}
{{- with .Values.worker -}}
WORKER_METRICS_LISTEN: 0.0.0.0:{{ .ports.metrics }}
TEMPORAL_METRICS_LISTEN: {{ if .ports.temporal }}0.0.0.0:{{ .ports.temporal }}{{ else }}''{{ end }}
MAX_WATCHED_JOBS: {{ .maxWatchedJobs }}
SWEEP_INTERVAL: {{ .sweepInterval }}
{{- end }}
HSM_URL: {{ .Values.hsm.url | quote }}
PUBLIC_URL: {{ .Values.api.publicUrl | quote }}
JOB_API_URL: {{ include "keelson.jobUrl" . | quote }}
KUBERNETES_NAMESPACE: {{ include "keelson.jobNamespace" . | quote }}
KUBERNETES_JOB_TTL: {{ .Values.jobs.ttlSeconds }}
{{- end }}
