package phone

import "bytes"

// label is what the words before a number say about it.
type label uint8

const (
	noLabel label = iota
	phoneLabel
	idLabel
)

// word kinds
const (
	plainWord = iota
	phoneWord
	idWord     // an identifier by itself: Rechnung 0791234567
	stemWord   // one only with a word for number: Patient Nr. 0791234567
	numberWord // Nr, No, Nummer
	fillWord   // ist, lautet
)

var words = func() map[string]uint8 {
	m := map[string]uint8{}
	for kind, list := range map[uint8]string{
		phoneWord: "tel tl tph fon mob cell cel gsm sms port portable portatile call ruf anruf anrufen rufen ring joindre chiamare",
		idWord: "fall rechnung rechn rg invoice facture fattura ref referenz reference riferimento rif zimmer zi room chambre camera salle stanza " +
			"code kenncode passcode passwort password kennwort pin puk tan id pid uid dossier case ahv avs nss ssn nhs iban konto kto " +
			"auftrag bestellung order commande ticket vorgang aktenzeichen akte az buchung booking prenotazione mwst ust vat iva siret bic " +
			"kennung kennziffer zugangscode versichertenkarte versicherung krankenkasse fax telefax serie lieferschein pratica",
		stemWord: "patient patienten patientin patiente paziente pat client clients cliente kunde kunden kd mitglied mitglieder membre member " +
			"vers versicherten versicherte versichertennummer assure assicurato karte karten carte card carta ausweis police polizza policen " +
			"sozialversicherungs steuer aktennummer personal person personen konferenz meeting webinar termin serien gerate artikel bestell auftrags rechnungs behandlungs " +
			"reservation reservierungs haus",
		numberWord: "nr nro no n num numero nummer number nb",
		fillWord:   "ist lautet is est e neu neue new alt der des du de la le il den unter auf per au under via on at my meine sein seine ihre",
	} {
		start := 0
		for i := 0; i <= len(list); i++ {
			if i == len(list) || list[i] == ' ' {
				m[list[start:i]] = kind
				start = i + 1
			}
		}
	}
	return m
}()

var phoneParts = [][]byte{
	[]byte("telefon"), []byte("telephon"), []byte("handy"), []byte("natel"), []byte("mobil"), []byte("rufnr"), []byte("rufnummer"),
	[]byte("phone"), []byte("whatsapp"), []byte("cellul"), []byte("ruckruf"),
}

var numberSuffixes = [][]byte{[]byte("nummer"), []byte("number"), []byte("nr"), []byte("id"), []byte("no"), []byte("code")}

// kind classifies a word in plain form.
func kind(word []byte) uint8 {
	if k, ok := words[string(word)]; ok {
		return k
	}
	if bytes.HasPrefix(word, []byte("telefax")) {
		return idWord
	}
	for _, part := range phoneParts {
		if bytes.Contains(word, part) {
			return phoneWord
		}
	}
	for _, suffix := range numberSuffixes {
		stem, ok := bytes.CutSuffix(word, suffix)
		if !ok {
			continue
		}
		switch words[string(stem)] {
		case idWord, stemWord:
			return idWord
		case phoneWord:
			return phoneWord
		}
	}
	return plainWord
}

// labelBefore judges the words before position end, on the same line and not
// beyond a comma. The nearest word that says something decides.
func labelBefore(t []byte, end int) label {
	counted := false
	i := end
	for range 4 {
		gap := i
		for i > 0 && gap-i < 6 && isLabelSign(t[i-1]) {
			i--
		}
		word := wordBefore(t, i)
		if len(word) == 0 || len(word) > 40 {
			return noLabel
		}
		if start := i - len(word); start > 0 && isDigit(t[start-1]) {
			return noLabel
		}
		switch kind(word) {
		case phoneWord:
			return phoneLabel
		case idWord:
			return idLabel
		case stemWord:
			if counted {
				return idLabel
			}
			return noLabel
		case numberWord:
			counted = true
		case plainWord:
			return noLabel
		}
		i -= len(word)
	}
	return noLabel
}

func isLabelSign(b byte) bool {
	switch b {
	case ' ', ':', '.', '-', '=', '(', '[', '/', '\'', '"', '*', '+', '>', cellEnd:
		return true
	}
	return false
}
