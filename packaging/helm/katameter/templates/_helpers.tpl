{{- define "katameter.name" -}}
{{- $own := .Values.nameOverride | default "katameter-host" }}
{{- $name := eq .Release.Name "katameter" | ternary $own (printf "%s-%s" .Release.Name $own) }}
{{- .Values.fullnameOverride | default $name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "katameter.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- /* A value of a label: + is allowed in a version and not in a label. */}}
{{- define "katameter.version" -}}
{{ . | replace "+" "_" | trunc 63 | trimSuffix "-" | trimSuffix "_" | trimSuffix "." }}
{{- end }}

{{- /* toYaml quotes what would be a number, such as a release that is called 123. */}}
{{- define "katameter.selector" -}}
{{ dict "app.kubernetes.io/name" "katameter-host" "app.kubernetes.io/instance" .Release.Name | toYaml }}
{{- end }}

{{- define "katameter.podLabels" -}}
{{- $version := dict "app.kubernetes.io/version" (include "katameter.version" .Chart.AppVersion) }}
{{- merge (include "katameter.selector" . | fromYaml) $version (.Values.podLabels | default dict) (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- define "katameter.labels" -}}
{{- $chart := include "katameter.version" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- $own := dict "app.kubernetes.io/version" (include "katameter.version" .Chart.AppVersion) "app.kubernetes.io/managed-by" .Release.Service "helm.sh/chart" $chart }}
{{- merge (include "katameter.selector" . | fromYaml) $own (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{- /* Labels of an object that has some of its own: a list of the context and these. */}}
{{- define "katameter.labelsWith" -}}
{{ merge (include "katameter.labels" (first .) | fromYaml) (last . | default dict) | toYaml }}
{{- end }}

{{- define "katameter.image" -}}
{{- $global := .Values.global | default dict }}
{{- $parts := list (get $global "imageRegistry") .Values.image.registry .Values.image.repository | compact }}
{{- $version := printf ":%s" (.Values.image.tag | default (.Chart.AppVersion | replace "+" "_")) }}
{{- with .Values.image.digest }}
{{- $version = printf "@%s" . }}
{{- end }}
image: {{ printf "%s%s" (join "/" $parts) $version | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "katameter.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "katameter.name" .) "default") }}
{{- end }}

{{- /* Of the whole cluster, where another release may have the same name in another namespace. */}}
{{- define "katameter.clusterRole" -}}
{{ printf "%s-%s-pods" (include "katameter.namespace" .) (include "katameter.name" .) }}
{{- end }}

{{- /* The node's directories that are mounted, as a map with the key paths. */}}
{{- define "katameter.directories" -}}
{{ dict "paths" (concat .Values.runDirectories (eq .Values.podsFrom "api" | ternary (list) .Values.runtimeDirectories) | uniq) | toYaml }}
{{- end }}

{{- /* Not empty if the seccomp profile is the image's. */}}
{{- define "katameter.installsProfile" -}}
{{ and (eq .Values.seccompProfile.type "Localhost") (not .Values.seccompProfile.localhostProfile) | ternary "true" "" }}
{{- end }}

{{- /* What the kubelet asks: a list of the context and the path. */}}
{{- define "katameter.probe" -}}
{{- $web := (first .).Values.web }}
{{- if and $web.tls $web.clientCertificates }}
tcpSocket:
  port: metrics
{{- else }}
httpGet:
  path: {{ last . }}
  port: metrics
  {{- if $web.tls }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}
