package paper

import "strings"

// words are a language's texts.
type words struct {
	invoice, credit, reminder, order                string
	number, issued, due, period, customer, about    string
	what, quantity, price, amount                   string
	subtotal, vat, vatOf, rounding, total, credited string
	open, paid, settled                             string
	uid, page, of                                   string
	payBy, balance, creditText                      string
	dear                                            string
	remind                                          [3]string // by level
	suspend                                         string
	crossed                                         string
	invoiceNumber, invoiceDate, dueDate, sum        string
	orderIntro, notInvoice, beforeTax, validTo      string
	howTo                                           []string
	prepay, prepayTo                                string
	place, name, signature                          string
	greeting                                        string
	packageOf                                       string
}

var wording = map[string]words{
	"de": {
		invoice: "Rechnung", credit: "Gutschrift", reminder: "Zahlungserinnerung", order: "Bestellformular",
		number: "Nummer", issued: "Datum", due: "Zahlbar bis", period: "Leistungszeitraum", customer: "Kundennummer", about: "Zu Rechnung",
		what: "Bezeichnung", quantity: "Menge", price: "Preis", amount: "Betrag CHF",
		subtotal: "Zwischensumme", vat: "MWST", vatOf: "MWST {rate} auf {net}", rounding: "Rundung", total: "Total CHF", credited: "Gutgeschrieben CHF",
		open: "Zu bezahlen CHF", paid: "bereits bezahlt", settled: "Diese Rechnung ist bezahlt. Es ist nichts zu tun.",
		uid: "UID", page: "Seite", of: "von",
		payBy:      "Bitte bezahlen Sie den Betrag bis {day} mit dem Einzahlungsschein. Vielen Dank.",
		balance:    "Der Betrag wird über das hinterlegte Zahlungsmittel oder mit dem Einzahlungsschein beglichen.",
		creditText: "Der Betrag wird mit Ihrer nächsten Rechnung verrechnet oder auf Wunsch zurückbezahlt.",
		dear:       "Guten Tag",
		remind: [3]string{
			"Die unten stehende Rechnung ist noch offen; sicher ist sie nur untergegangen. Bitte bezahlen Sie den Betrag bis {day}.",
			"Trotz unserer ersten Erinnerung ist die unten stehende Rechnung noch offen. Bitte bezahlen Sie den Betrag bis {day}.",
			"Die unten stehende Rechnung ist trotz mehrerer Erinnerungen nicht bezahlt. Bitte bezahlen Sie den Betrag umgehend, spätestens bis {day}.",
		},
		suspend:       "Bleibt die Rechnung offen, werden ab {day} keine neuen Terminerinnerungen mehr verschickt. Ihr Guthaben bleibt Ihnen erhalten, und sobald die Zahlung eintrifft, läuft alles weiter.",
		crossed:       "Haben Sie in den letzten Tagen bezahlt, ist dieses Schreiben gegenstandslos. Fragen beantworten wir gern.",
		invoiceNumber: "Rechnung", invoiceDate: "vom", dueDate: "zahlbar bis", sum: "Rechnungsbetrag",
		orderIntro: "Wir bestellen:", notInvoice: "Dies ist keine Rechnung. Die Rechnung erhalten Sie nach der Bestellung.",
		beforeTax: "Total ohne MWST, CHF", validTo: "Gültig bis",
		howTo:  []string{"Formular ausdrucken und unterschreiben", "Einscannen oder fotografieren und unter «Guthaben» hochladen", "Das Guthaben wird freigeschaltet; danach erhalten Sie die Rechnung"},
		prepay: "Wer im Voraus bezahlen möchte, überweist den Rechnungsbetrag so:", prepayTo: "Konto {iban}, Referenz {reference}",
		place: "Ort, Datum", name: "Name in Blockschrift", signature: "Unterschrift",
		greeting:  "Freundliche Grüsse",
		packageOf: "SMS-Paket, {sms} SMS",
	},
	"fr": {
		invoice: "Facture", credit: "Note de crédit", reminder: "Rappel de paiement", order: "Bon de commande",
		number: "Numéro", issued: "Date", due: "Payable jusqu’au", period: "Période", customer: "Numéro de client", about: "Concerne la facture",
		what: "Désignation", quantity: "Quantité", price: "Prix", amount: "Montant CHF",
		subtotal: "Sous-total", vat: "TVA", vatOf: "TVA {rate} sur {net}", rounding: "Arrondi", total: "Total CHF", credited: "Montant crédité CHF",
		open: "À payer CHF", paid: "déjà payé", settled: "Cette facture est payée. Vous n’avez rien à faire.",
		uid: "IDE", page: "Page", of: "sur",
		payBy:      "Merci de régler ce montant jusqu’au {day} au moyen du bulletin de versement.",
		balance:    "Le montant sera réglé par le moyen de paiement enregistré ou par le bulletin de versement.",
		creditText: "Le montant sera déduit de votre prochaine facture ou remboursé à votre demande.",
		dear:       "Madame, Monsieur,",
		remind: [3]string{
			"La facture ci-dessous est encore ouverte; il s’agit sûrement d’un oubli. Merci de la régler jusqu’au {day}.",
			"Malgré notre premier rappel, la facture ci-dessous est encore ouverte. Merci de la régler jusqu’au {day}.",
			"Malgré plusieurs rappels, la facture ci-dessous n’est pas payée. Nous vous prions de la régler sans délai, au plus tard le {day}.",
		},
		suspend:       "Si la facture reste ouverte, plus aucun nouveau rappel de rendez-vous ne sera envoyé dès le {day}. Votre crédit vous reste acquis, et l’envoi reprend dès réception du paiement.",
		crossed:       "Si vous avez payé ces derniers jours, ce courrier est sans objet. Nous répondons volontiers à vos questions.",
		invoiceNumber: "Facture", invoiceDate: "du", dueDate: "payable jusqu’au", sum: "Montant de la facture",
		orderIntro: "Nous commandons:", notInvoice: "Ceci n’est pas une facture. Vous la recevrez après la commande.",
		beforeTax: "Total hors TVA, CHF", validTo: "Valable jusqu’au",
		howTo:  []string{"Imprimer et signer le formulaire", "Le numériser ou le photographier et le déposer sous «Crédit»", "Le crédit est activé; vous recevez ensuite la facture"},
		prepay: "Pour payer d’avance, versez le montant de la facture ainsi:", prepayTo: "Compte {iban}, référence {reference}",
		place: "Lieu, date", name: "Nom en majuscules", signature: "Signature",
		greeting:  "Meilleures salutations",
		packageOf: "Paquet de {sms} SMS",
	},
	"it": {
		invoice: "Fattura", credit: "Nota di credito", reminder: "Sollecito di pagamento", order: "Modulo d’ordine",
		number: "Numero", issued: "Data", due: "Pagabile entro", period: "Periodo", customer: "Numero cliente", about: "Relativa alla fattura",
		what: "Descrizione", quantity: "Quantità", price: "Prezzo", amount: "Importo CHF",
		subtotal: "Subtotale", vat: "IVA", vatOf: "IVA {rate} su {net}", rounding: "Arrotondamento", total: "Totale CHF", credited: "Accreditato CHF",
		open: "Da pagare CHF", paid: "già pagato", settled: "Questa fattura è pagata. Non c’è nulla da fare.",
		uid: "IDI", page: "Pagina", of: "di",
		payBy:      "Vi preghiamo di pagare l’importo entro il {day} con la polizza di versamento. Grazie.",
		balance:    "L’importo sarà saldato con il mezzo di pagamento registrato o con la polizza di versamento.",
		creditText: "L’importo sarà dedotto dalla prossima fattura o rimborsato su richiesta.",
		dear:       "Gentili signore, egregi signori",
		remind: [3]string{
			"La fattura qui sotto è ancora aperta; si tratta certo di una svista. Vi preghiamo di pagarla entro il {day}.",
			"Nonostante il nostro primo sollecito, la fattura qui sotto è ancora aperta. Vi preghiamo di pagarla entro il {day}.",
			"Nonostante più solleciti, la fattura qui sotto non è pagata. Vi preghiamo di pagarla subito, al più tardi entro il {day}.",
		},
		suspend:       "Se la fattura resta aperta, dal {day} non saranno più inviati nuovi promemoria. Il vostro credito resta a disposizione e tutto riprende non appena arriva il pagamento.",
		crossed:       "Se avete pagato nei giorni scorsi, consideri nullo questo scritto. Rispondiamo volentieri alle vostre domande.",
		invoiceNumber: "Fattura", invoiceDate: "del", dueDate: "pagabile entro", sum: "Importo della fattura",
		orderIntro: "Ordiniamo:", notInvoice: "Questa non è una fattura. La riceverete dopo l’ordine.",
		beforeTax: "Totale senza IVA, CHF", validTo: "Valido fino al",
		howTo:  []string{"Stampare e firmare il modulo", "Scansionarlo o fotografarlo e caricarlo sotto «Credito»", "Il credito viene attivato; poi ricevete la fattura"},
		prepay: "Per pagare in anticipo, versare l’importo della fattura così:", prepayTo: "Conto {iban}, riferimento {reference}",
		place: "Luogo, data", name: "Nome in stampatello", signature: "Firma",
		greeting:  "Cordiali saluti",
		packageOf: "Pacchetto di {sms} SMS",
	},
	"en": {
		invoice: "Invoice", credit: "Credit note", reminder: "Payment reminder", order: "Order form",
		number: "Number", issued: "Date", due: "Payable by", period: "Period", customer: "Customer number", about: "For invoice",
		what: "Description", quantity: "Quantity", price: "Price", amount: "Amount CHF",
		subtotal: "Subtotal", vat: "VAT", vatOf: "VAT {rate} on {net}", rounding: "Rounding", total: "Total CHF", credited: "Credited CHF",
		open: "To pay CHF", paid: "already paid", settled: "This invoice is paid. There is nothing to do.",
		uid: "UID", page: "Page", of: "of",
		payBy:      "Please pay the amount by {day}, using the payment slip. Thank you.",
		balance:    "The amount is settled by the stored means of payment or with the payment slip.",
		creditText: "The amount is deducted from your next invoice, or paid back if you wish.",
		dear:       "Dear customer",
		remind: [3]string{
			"The invoice below is still open; it has surely only slipped your attention. Please pay it by {day}.",
			"In spite of our first reminder the invoice below is still open. Please pay it by {day}.",
			"In spite of several reminders the invoice below has not been paid. Please pay it at once, and by {day} at the latest.",
		},
		suspend:       "If the invoice stays open, no new appointment reminders are sent from {day} on. Your credit stays yours, and all goes on as soon as the payment arrives.",
		crossed:       "If you have paid in the last few days, please disregard this letter. We gladly answer questions.",
		invoiceNumber: "Invoice", invoiceDate: "of", dueDate: "payable by", sum: "Invoice amount",
		orderIntro: "We order:", notInvoice: "This is not an invoice. You will receive the invoice after the order.",
		beforeTax: "Total before VAT, CHF", validTo: "Valid until",
		howTo:  []string{"Print and sign this form", "Scan or photograph it and upload it under “Credit”", "The credit is made available; then you receive the invoice"},
		prepay: "To pay in advance, transfer the amount of the invoice like this:", prepayTo: "Account {iban}, reference {reference}",
		place: "Place, date", name: "Name in capitals", signature: "Signature",
		greeting:  "Kind regards",
		packageOf: "Package of {sms} SMS",
	},
}

func wordsOf(language string) words {
	if w, ok := wording[language]; ok {
		return w
	}
	return wording["de"]
}

// PackageText is a package of SMS as documents name it in a language.
func PackageText(language string, sms int64) string {
	return fill(wordsOf(language).packageOf, "sms", thousands(sms))
}

// fill puts values into a text: pairs of a name, as in {day}, and a value.
func fill(text string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}
