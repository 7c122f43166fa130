package web

import "html/template"

// icons are drawn on a 24 × 24 grid with strokes in the current colour.
var icons = map[string]string{
	"home":      `<path d="M4 11 12 4l8 7"/><path d="M6 9.5V20h12V9.5"/><path d="M10 20v-5h4v5"/>`,
	"clock":     `<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.2 2"/>`,
	"pen":       `<path d="M5 19h3L19 8l-3-3L5 16z"/><path d="m13.5 7.5 3 3"/>`,
	"calendar":  `<rect x="4" y="5.5" width="16" height="14.5" rx="2"/><path d="M4 10h16M8.5 3.5v4M15.5 3.5v4"/>`,
	"message":   `<path d="M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z"/><path d="M8 8.5h8M8 12h5"/>`,
	"gear":      `<circle cx="12" cy="12" r="3"/><path d="M12 3.5v2.2M12 18.3v2.2M3.5 12h2.2M18.3 12h2.2M6 6l1.6 1.6M16.4 16.4 18 18M6 18l1.6-1.6M16.4 7.6 18 6"/>`,
	"bell":      `<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15z"/><path d="M10 20.5h4"/>`,
	"check":     `<circle cx="12" cy="12" r="8.5"/><path d="m8.5 12.2 2.4 2.4 4.6-5"/>`,
	"warn":      `<path d="M12 4.5 21 19.5H3z"/><path d="M12 10v4.5M12 17v.2"/>`,
	"bad":       `<circle cx="12" cy="12" r="8.5"/><path d="m9 9 6 6M15 9l-6 6"/>`,
	"info":      `<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5M12 7.8V8"/>`,
	"phone":     `<rect x="7" y="3" width="10" height="18" rx="2.2"/><path d="M11 18h2"/>`,
	"plug":      `<path d="M9 3.5v5M15 3.5v5M6.5 8.5h11V12a5.5 5.5 0 0 1-11 0zM12 17.5v3"/>`,
	"plus":      `<path d="M12 5v14M5 12h14"/>`,
	"trash":     `<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v6M13.7 10.5v6"/>`,
	"search":    `<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4 4"/>`,
	"exit":      `<path d="M13 4H6v16h7M10 12h10M16.5 8.5 20 12l-3.5 3.5"/>`,
	"arrow":     `<path d="M5 12h14M13 6l6 6-6 6"/>`,
	"back":      `<path d="M19 12H5M11 6l-6 6 6 6"/>`,
	"download":  `<path d="M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14"/>`,
	"reply":     `<path d="M10 6 4 12l6 6M4 12h10a6 6 0 0 1 6 6"/>`,
	"moon":      `<path d="M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z"/>`,
	"people":    `<circle cx="9" cy="8.5" r="3.5"/><path d="M3 19.5a6 6 0 0 1 12 0M15.5 5.3a3.5 3.5 0 0 1 0 6.4M17.5 14.3a6 6 0 0 1 3.5 5.2"/>`,
	"person":    `<circle cx="12" cy="8" r="4"/><path d="M4.5 20a7.5 7.5 0 0 1 15 0"/>`,
	"mail":      `<rect x="3.5" y="5.5" width="17" height="13" rx="2"/><path d="m4 7 8 6 8-6"/>`,
	"key":       `<circle cx="8" cy="15" r="4"/><path d="m11 12 8-8M16 7l3 3M13.5 9.5l2 2"/>`,
	"wallet":    `<path d="M5 7.5h13a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V6.5a2 2 0 0 1 2-2h10v3"/><circle cx="16" cy="13.5" r=".8"/>`,
	"shield":    `<path d="M12 3.5 5 6v5.5c0 4.5 3 7.5 7 9 4-1.5 7-4.5 7-9V6z"/>`,
	"microsoft": `<rect x="4.5" y="4.5" width="6.5" height="6.5"/><rect x="13" y="4.5" width="6.5" height="6.5"/><rect x="4.5" y="13" width="6.5" height="6.5"/><rect x="13" y="13" width="6.5" height="6.5"/>`,
	"google":    `<path d="M19.5 12.2h-7.3M19.5 12.2a7.4 7.4 0 1 1-2.3-5.5"/>`,
}

// icon returns an inline SVG; it is decoration, words stand beside it.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + icons[name] + `</svg>`)
}
