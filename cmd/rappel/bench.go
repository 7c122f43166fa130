package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"rappel/notify/phone"
	"rappel/notify/segment"
)

type benchCmd struct {
	Segment  benchSegmentCmd  `cmd:"" help:"Segments counted a second, on a mix of ASCII, German, long and emoji texts."`
	Dispatch benchDispatchCmd `cmd:"" help:"Messages a second through the store, over SMPP and past a campaign, beside what the machine allows at most."`
	Extract  benchExtractCmd  `cmd:"" help:"Texts searched for numbers a second, with and without a number in them."`
}

type benchFlags struct {
	JSON bool          `name:"json" help:"Print one JSON object instead of words."`
	For  time.Duration `default:"3s" help:"How long to measure each figure."`
}

// figure is one measured rate.
type figure struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	NsPerOp   float64 `json:"ns_per_op"`
	Ops       int     `json:"ops"`
}

// rate runs op over and over for d on one core.
func rate(name string, d time.Duration, op func(i int)) figure {
	for i := range 1000 {
		op(i)
	}
	began := time.Now()
	n := 0
	for time.Since(began) < d {
		for range 256 {
			op(n)
			n++
		}
	}
	took := time.Since(began)
	return figure{name, float64(n) / took.Seconds(), float64(took.Nanoseconds()) / float64(n), n}
}

func (b benchFlags) print(std stdio, what string, figures []figure) error {
	if b.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"bench": what, "go": runtime.Version(), "cores": runtime.NumCPU(), "figures": figures})
	}
	for _, f := range figures {
		if _, err := fmt.Fprintf(std.out, "%-28s %12.0f a second  %9.0f ns each\n", f.Name, f.PerSecond, f.NsPerOp); err != nil {
			return err
		}
	}
	return nil
}

type benchSegmentCmd struct{ benchFlags }

// segmentMix has the four classes of equal share that other counters were measured
// with: 120 characters of ASCII, 150 of German, 400 of GSM-7 with its extension
// table, and 150 with emoji.
var segmentMix = []string{
	cut("Reminder: your appointment is tomorrow at 14:30. ", 120),
	cut("Grüezi Frau Müller, Ihr Termin ist am Dienstag um halb drei. Freundliche Grüsse ", 150),
	cut("Praxis {Seefeld} [€] Bahnhofstrasse 12, 8008 Zürich; bitte pünktlich. ", 400),
	cut("Bis morgen um 14:30 😀 Ihre Praxis 🦷 ", 150),
}

// cut repeats s until it has n characters.
func cut(s string, n int) string {
	runes := []rune(strings.Repeat(s, n/len([]rune(s))+1))
	return string(runes[:n])
}

func (b benchSegmentCmd) Run(_ context.Context, std stdio) error {
	sum := 0
	figures := []figure{rate("segment.Measure, mix", b.For, func(i int) { sum += segment.Measure(segmentMix[i%len(segmentMix)]).Segments })}
	if sum == 0 {
		return fmt.Errorf("nothing was counted")
	}
	return b.print(std, "segment", figures)
}

type benchExtractCmd struct{ benchFlags }

func (b benchExtractCmd) Run(_ context.Context, std stdio) error {
	const filler = "Kontrolle und Zahnreinigung, bitte Unterlagen mitbringen. Parkplätze hinter dem Haus, Eingang links neben der Apotheke. "
	with := filler + "Frau Meier, Tel. 079 123 45 67, wünscht Rückruf. " + filler[:60]
	without := filler + filler[:100]
	f, err := phone.New("CH")
	if err != nil {
		return err
	}
	found := 0
	figures := []figure{
		rate("extract, text with number", b.For, func(int) { found += len(f.Find(with).Numbers) }),
		rate("extract, text without digits", b.For, func(int) { found += len(f.Find(without).Numbers) }),
	}
	if found == 0 {
		return fmt.Errorf("no number was found")
	}
	return b.print(std, "extract", figures)
}
