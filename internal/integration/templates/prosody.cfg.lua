-- Prosody for {{.Domains}}: Debian's defaults, changed only where a lab on loopback must differ.
{{- $c := .}}
pidfile = "{{.Dir}}/run/prosody.pid"
data_path = "{{.Dir}}/data"
plugin_paths = { "{{.Dir}}/modules" }
admins = { {{range .Config.Admins}}"{{.}}"; {{end}}}
authentication = "internal_hashed"
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep"; "private";
	"smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "ping"; "register"; "time"; "uptime"; "version";
	"admin_adhoc"; "admin_shell"; "posix";
	{{range .Config.Modules}}"{{.}}"; {{end}}
}
s2s_secure_auth = true
limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "30kb/s" } }

-- Names come from the lab's own hosts file; whatever is not there is asked of an address where nobody answers.
unbound = { resolvconf = false; hoststxt = "{{.Hosts}}"; forward = { "{{.Nowhere}}" } }
use_ipv6 = false
interfaces = { "{{.Address}}" }
local_interfaces = { "{{.Address}}" }
component_interfaces = { "{{.Address}}" }
c2s_direct_tls_ports = { {{.DirectPort}} }

ssl = { cafile = "{{.CA}}"; certificate = "{{.Cert}}"; key = "{{.Key}}" }
certificates = "{{.Dir}}/certs"
log = { {{.Config.LogLevel}} = "{{.Log}}" }
{{range $host := .Domains}}
VirtualHost "{{.}}"
{{- range $domain, $uri := $c.Config.NodeURI}}{{if eq $domain $host}}
	modules_enabled = { "serverinfo_advert" }
	{{- if $uri}}
	serverinfo_pubsub_node = "{{$uri}}"
	{{- end}}{{end}}{{end}}

Component "pubsub.{{.}}" "pubsub"
	admins = { {{range $c.Config.PubSubAdmins}}"{{.}}"; {{end}}}
{{range components .}}
Component "{{.}}"
	component_secret = "{{$c.Secret}}"
{{end}}{{end}}
{{.Config.Extra}}
