package qrbill

// words are the fixed texts of a slip.
//
// Source: guidelines, annex C; they must be used literally.
type words struct {
	receipt, payment, account, reference, additional, payable, payableBlank string
	currency, amount, acceptance                                            string
}

var wording = map[string]words{
	"de": {"Empfangsschein", "Zahlteil", "Konto / Zahlbar an", "Referenz", "Zusätzliche Informationen", "Zahlbar durch", "Zahlbar durch (Name/Adresse)",
		"Währung", "Betrag", "Annahmestelle"},
	"fr": {"Récépissé", "Section paiement", "Compte / Payable à", "Référence", "Informations supplémentaires", "Payable par", "Payable par (nom/adresse)",
		"Monnaie", "Montant", "Point de dépôt"},
	"it": {"Ricevuta", "Sezione pagamento", "Conto / Pagabile a", "Riferimento", "Informazioni supplementari", "Pagabile da", "Pagabile da (nome/indirizzo)",
		"Valuta", "Importo", "Punto di accettazione"},
	"en": {"Receipt", "Payment part", "Account / Payable to", "Reference", "Additional information", "Payable by", "Payable by (name/address)",
		"Currency", "Amount", "Acceptance point"},
}
