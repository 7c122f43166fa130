package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers/sandbox"
	"rappel/notify/carriers/smpp"
	"rappel/notify/carriers/smsmode"
	"rappel/notify/carriers/smsup"
	"rappel/notify/carriers/twilio"
)

// buildCarriers makes the carriers of RAPPEL_CARRIERS; the first is the default.
func (a *app) buildCarriers(list string) ([]notify.Carrier, error) {
	var all []notify.Carrier
	for _, raw := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d is not a URL", len(all)+1) // not quoted: it holds a password
		}
		route, err := takeRoute(u)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): %w", len(all)+1, u.Scheme, err)
		}
		c, err := a.buildCarrier(u)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): %w", len(all)+1, u.Scheme, err)
		}
		if slices.ContainsFunc(all, func(other notify.Carrier) bool { return other.Name() == c.Name() }) {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): another entry is called %q already; give one of them a name, as in smpp://…?name=second", len(all)+1, u.Scheme, c.Name())
		}
		all = append(all, c)
		if len(route.To) > 0 {
			if a.routes == nil {
				a.routes = map[string]notify.Route{}
			}
			a.routes[c.Name()] = route
		}
	}
	return all, nil
}

// takeRoute takes from a carrier's URL what is the dispatcher's affair: to=41&to=423, the
// beginnings of the numbers it is for.
func takeRoute(u *url.URL) (notify.Route, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return notify.Route{}, errors.New("the part after ? can't be read")
	}
	var r notify.Route
	for _, to := range query["to"] {
		to = strings.TrimLeft(to, "+ ") // a plus sign arrives as a space
		if len(to) == 0 || len(to) > 15 || strings.Trim(to, "0123456789") != "" || to[0] == '0' {
			return notify.Route{}, errors.New("to: want the beginning of international numbers, such as to=41")
		}
		r.To = append(r.To, "+"+to)
	}
	if len(r.To) > 0 {
		query.Del("to")
		u.RawQuery = query.Encode()
	}
	return r, nil
}

func (a *app) buildCarrier(u *url.URL) (notify.Carrier, error) {
	switch u.Scheme {
	case "smpp", "smpps":
		cfg, err := smpp.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Log, cfg.Now = a.log, a.now
		return smpp.New(cfg)
	case "twilio":
		cfg, err := twilio.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.StatusCallback, cfg.Log, cfg.Now = a.cfg.BaseURL+"/hooks/"+cfg.Name, a.log, a.now
		return twilio.New(cfg, nil)
	case "smsup":
		cfg, err := smsup.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Log, cfg.Now = a.log, a.now
		return smsup.New(cfg, nil)
	case "smsmode":
		cfg, err := smsmode.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Callback, cfg.Log, cfg.Now = a.cfg.BaseURL+"/hooks/"+cfg.Name, a.log, a.now
		return smsmode.New(cfg, nil)
	case "sandbox":
		cfg, err := sandbox.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.DB, cfg.Now, cfg.Log = a.pools.owner, a.now, a.log
		c, err := sandbox.New(cfg)
		a.sandbox = c
		return c, err
	}
	return nil, errors.New("unknown kind of carrier; known are smpp, smpps, twilio, smsup, smsmode, sandbox")
}

// hooks are the carriers that receive by HTTP, by name.
func (a *app) hooks() map[string]notify.Webhook {
	hooks := map[string]notify.Webhook{}
	for _, c := range a.carriers {
		if h, ok := c.(notify.Webhook); ok {
			hooks[c.Name()] = h
		}
	}
	return hooks
}
