{{- define "katameter.selector" -}}
app.kubernetes.io/name: katameter-host
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "katameter.labels" -}}
{{ include "katameter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* A release named katameter has the plain name; any other has its name in front. */}}
{{- define "katameter.name" -}}
{{ eq .Release.Name "katameter" | ternary "katameter-host" (printf "%s-katameter-host" .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "katameter.image" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- /* Not empty if the profile is the image's. */}}
{{- define "katameter.installsProfile" -}}
{{ and (eq .Values.seccompProfile.type "Localhost") (not .Values.seccompProfile.localhostProfile) | ternary "true" "" }}
{{- end }}

{{- /* A volume's name out of a directory's: /run/vc is run-vc. */}}
{{- define "katameter.volume" -}}
{{ . | trimPrefix "/" | replace "/" "-" | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- end }}
