package roundtrip

import "strings"

// Site cuts a domain to its last two labels, the site, and to its last three.
//
// Who owns a domain can make up as many below it as it likes: what is bounded for each domain must be bounded for each site,
// too.
// Where the site is a public suffix such as co.uk, strangers to each other share one, but not a name of three labels.
// A list of public suffixes would be no better: it has to hold those where anyone gets names for nothing, too.
func Site(domain string) (site, name string) {
	domain = strings.TrimRight(domain, ".")
	if top := domain[strings.LastIndexByte(domain, '.')+1:]; top == "" || top[0] >= '0' && top[0] <= '9' || top[0] == '[' {
		return domain, domain // an IP address
	}
	site, end := domain, len(domain)
	for labels := 1; labels <= 3; labels++ {
		end = strings.LastIndexByte(domain[:end], '.')
		if end < 0 {
			return site, domain
		}
		if labels == 2 {
			site = domain[end+1:]
		}
	}
	return site, domain[end+1:]
}
