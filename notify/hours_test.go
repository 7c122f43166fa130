package notify_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rappel/notify"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func hours(t interface{ Fatal(...any) }, words ...string) notify.Hours {
	h, err := notify.ParseHours(words)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestNextOpen(t *testing.T) {
	week := hours(t, "08:00-20:00", "08:00-20:00", "08:00-20:00", "08:00-20:00", "08:00-20:00", "10:00-18:00", "", "")
	night := hours(t, "02:15-02:45", "02:15-02:45", "02:15-02:45", "02:15-02:45", "02:15-02:45", "02:15-02:45", "02:15-02:45", "02:15-02:45")
	always := hours(t, "00:00-24:00", "00:00-24:00", "00:00-24:00", "00:00-24:00", "00:00-24:00", "00:00-24:00", "00:00-24:00", "00:00-24:00")
	for name, tt := range map[string]struct {
		hours     notify.Hours
		zones     []string
		holidays  []string
		now, want string // RFC 3339; want "" = never
	}{
		"open":                       {week, []string{"Europe/Zurich"}, nil, "2026-03-02T09:00:00+01:00", "2026-03-02T09:00:00+01:00"},
		"opens on the minute":        {week, []string{"Europe/Zurich"}, nil, "2026-03-02T08:00:00+01:00", "2026-03-02T08:00:00+01:00"},
		"a second before":            {week, []string{"Europe/Zurich"}, nil, "2026-03-02T07:59:59+01:00", "2026-03-02T08:00:00+01:00"},
		"closes on the minute":       {week, []string{"Europe/Zurich"}, nil, "2026-03-02T20:00:00+01:00", "2026-03-03T08:00:00+01:00"},
		"Saturday has its own hours": {week, []string{"Europe/Paris"}, nil, "2026-03-07T08:30:00+01:00", "2026-03-07T10:00:00+01:00"},
		"never on Sundays":           {week, []string{"Europe/Zurich"}, nil, "2026-03-07T18:00:00+01:00", "2026-03-09T08:00:00+01:00"},
		"over the spring change":     {week, []string{"Europe/Zurich"}, nil, "2026-03-28T18:00:00+01:00", "2026-03-30T08:00:00+02:00"},
		"over the autumn change":     {week, []string{"Europe/Zurich"}, nil, "2026-10-24T18:00:00+02:00", "2026-10-26T08:00:00+01:00"},
		"four holidays in a row":     {week, []string{"Europe/Zurich"}, []string{"2026-12-24", "2026-12-25", "2026-12-26"}, "2026-12-23T21:00:00+01:00", "2026-12-28T08:00:00+01:00"},
		"over the turn of the year":  {week, []string{"Europe/Zurich"}, []string{"2027-01-01", "2027-01-02"}, "2026-12-31T20:00:00+01:00", "2027-01-04T08:00:00+01:00"},
		"an hour that doesn't exist": {night, []string{"Europe/Zurich"}, nil, "2026-03-29T00:00:00+01:00", "2026-03-30T02:15:00+02:00"},
		"an hour that exists twice":  {night, []string{"Europe/Zurich"}, nil, "2026-10-25T02:50:00+02:00", "2026-10-25T02:15:00+01:00"},
		"half past, twice":           {night, []string{"Europe/Zurich"}, nil, "2026-10-25T02:05:00+01:00", "2026-10-25T02:15:00+01:00"},
		"a day that doesn't exist":   {week, []string{"Pacific/Apia"}, nil, "2011-12-29T21:00:00-10:00", "2011-12-31T10:00:00+14:00"},
		"the strictest of two zones": {week, []string{"America/New_York", "America/Los_Angeles"}, nil, "2026-03-02T09:00:00-05:00", "2026-03-02T11:00:00-05:00"},
		"closing by the first":       {week, []string{"America/New_York", "America/Los_Angeles"}, nil, "2026-03-02T20:00:00-05:00", "2026-03-03T11:00:00-05:00"},
		"zones that share no hour":   {hours(t, "08:00-09:00", "08:00-09:00", "08:00-09:00", "08:00-09:00", "08:00-09:00", "", "", ""), []string{"Europe/Zurich", "America/New_York"}, nil, "2026-03-02T09:00:00+01:00", ""},
		"closed for good":            {notify.Hours{}, []string{"Europe/Zurich"}, nil, "2026-03-02T09:00:00+01:00", ""},
		"nowhere":                    {week, nil, nil, "2026-03-02T09:00:00+01:00", ""},
		"always":                     {always, []string{"Europe/Zurich", "Asia/Kathmandu"}, []string{"2026-03-02"}, "2026-03-02T23:59:59+01:00", "2026-03-02T23:59:59+01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			place := notify.Place{Holiday: func(y int, m time.Month, d int) bool {
				return slices.Contains(tt.holidays, time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
			}}
			for _, z := range tt.zones {
				place.Zones = append(place.Zones, zone(t, z))
			}
			got, ok := notify.NextOpen(tt.hours, place, now)
			if ok != (tt.want != "") {
				t.Fatalf("NextOpen = %v, %t", got, ok)
			}
			if !ok {
				return
			}
			want, err := time.Parse(time.RFC3339, tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(want) {
				t.Errorf("NextOpen = %v, want %v", got.In(want.Location()), want)
			}
		})
	}
}

// Whatever the zones, hours, holidays and instant: every clock shows an hour that is open,
// and there was none before.
func TestNextOpen_rapid(t *testing.T) {
	names := []string{"Europe/Zurich", "Europe/London", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
		"America/Sao_Paulo", "Asia/Kathmandu", "Asia/Tehran", "Pacific/Kiritimati", "UTC", "America/Havana", "Asia/Beirut"}
	rapid.Check(t, func(t *rapid.T) {
		var h notify.Hours
		for i := range h {
			if rapid.IntRange(0, 3).Draw(t, "closed") > 0 {
				h[i].Open = rapid.IntRange(0, 24*60-1).Draw(t, "open")
				h[i].Close = rapid.IntRange(h[i].Open+1, 24*60).Draw(t, "close")
			}
		}
		place := notify.Place{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 2, rapid.ID[string]).Draw(t, "zones") {
			place.Zones = append(place.Zones, zone(t, name))
		}
		every := rapid.IntRange(2, 9).Draw(t, "holiday every")
		place.Holiday = func(_ int, _ time.Month, d int) bool { return d%every == 0 }
		now := time.Unix(rapid.Int64Range(1262304000, 2114380800).Draw(t, "now"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		if rapid.Bool().Draw(t, "near a change") {
			if _, end := now.In(place.Zones[0]).ZoneBounds(); !end.IsZero() {
				now = end.Add(time.Duration(rapid.IntRange(-36*3600, 36*3600).Draw(t, "seconds")) * time.Second)
			}
		}
		isOpen := func(at time.Time) bool {
			for _, z := range place.Zones {
				l := at.In(z)
				slot := h[(l.Weekday()+6)%7]
				if place.Holiday(l.Date()) {
					slot = h[7]
				}
				if m := l.Hour()*60 + l.Minute(); m < slot.Open || m >= slot.Close {
					return false
				}
			}
			return true
		}
		got, ok := notify.NextOpen(h, place, now)
		if ok && (got.Before(now) || !isOpen(got)) {
			t.Fatalf("NextOpen(%v) = %v, closed", now, got)
		}
		until := now.Add(5 * 24 * time.Hour)
		if ok && got.Before(until) {
			until = got
		}
		for at := now; at.Before(until); at = at.Truncate(time.Minute).Add(time.Minute) {
			if isOpen(at) {
				t.Fatalf("NextOpen(%v) = %v, %t, but %v is open", now, got, ok, at)
			}
		}
		if again, _ := notify.NextOpen(h, place, got); ok && !again.Equal(got) {
			t.Fatalf("NextOpen(%v) = %v, of that %v", now, got, again)
		}
	})
}

func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"", "08:00-20:00", "00:00-24:00", "24:00-24:00", "8-20", "08:00–20:00", "99:99-99:99"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := notify.ParseHours([]string{s, "", "", "", "", "", "", ""})
		if err == nil && h[0].String() != s {
			t.Errorf("ParseHours(%q) gives %q", s, h[0])
		}
		if err == nil && (h[0].Open < 0 || h[0].Close > 24*60 || h[0].Open > h[0].Close) {
			t.Errorf("ParseHours(%q) = %+v", s, h[0])
		}
	})
}
