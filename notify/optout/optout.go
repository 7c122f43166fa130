package optout

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Action is what a reply asks for.
type Action string

// The actions. None is for people to read.
const (
	None Action = ""
	Out  Action = "opt_out"
	In   Action = "opt_in"
	Help Action = "help"
)

// The words, normalised. A whole reply must equal one of them.
var words = map[Action][]string{
	Out: {
		"stop", "stop sms", // everywhere
		"stopp", "abmelden", "ende", // de
		"arret", "desabonner", // fr
		"td",                           // Canada, beside arret
		"ferma", "cancellami", "basta", // it
		"stopall", "unsubscribe", "end", "quit", "revoke", "optout", "opt-out", "remove", // en
	},
	In: {
		"start",
		"anmelden",
		"demarrer", "reprendre",
		"inizia", "riprendi",
		"unstop", "subscribe",
	},
	Help: {
		"help", "info",
		"hilfe",
		"aide", "contact",
		"aiuto",
	},
}

var actions = func() map[string]Action {
	all := map[string]Action{}
	for a, ws := range words {
		for _, w := range ws {
			all[w] = a
		}
	}
	return all
}()

// Parse tells what a reply asks for. Only a reply that is nothing but the word counts:
// "please stop by at 5" is for people to read, and so is "STOP 123".
func Parse(body string) Action { return actions[Normalize(body)] }

// longest is how much of a reply is looked at: no word is near that long.
const longest = 200

// Normalize makes replies comparable that mean the same: compatibility forms unified,
// case folded, accents dropped, white space single, and around it neither white space
// nor punctuation, quotes, symbols or emoji.
func Normalize(body string) string {
	if len(body) > longest {
		return ""
	}
	folded := cases.Fold().String(norm.NFKD.String(body))
	var b strings.Builder
	space := false
	for _, r := range folded {
		switch {
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
			// accents; invisible marks; the variant of an emoji
		case unicode.IsSpace(r):
			space = b.Len() > 0
		default:
			if space {
				b.WriteByte(' ')
				space = false
			}
			b.WriteRune(r)
		}
	}
	return strings.TrimFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
