package web

import (
	"net/netip"
	"strings"
)

// agentOf names browser and system of a User-Agent header, enough to know one's own
// devices by: no version, no model.
func agentOf(header string) string {
	find := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(header, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	// Browsers call themselves by their forebears' names, so the youngest is looked for first.
	browser := find("Edg", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "FxiOS", "Firefox", "CriOS", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS X", "macOS", "Linux", "Linux")
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + ", " + system
}

// placeOf is a network address without its last part: enough to see that a log-in came
// from elsewhere, less than where somebody lives.
func placeOf(client string) string {
	ip, err := netip.ParseAddr(client)
	if err != nil {
		return ""
	}
	ip = ip.Unmap()
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	text := p.Masked().Addr().String()
	if ip.Is4() {
		return strings.TrimSuffix(text, ".0") + ".*"
	}
	return text + "*"
}
