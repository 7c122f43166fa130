package billing

// letterWords are one letter. {number}, {total}, {open}, {due}, {suspend} and {seller}
// stand for what they say.
type letterWords struct{ subject, text string }

// letters are all of a language.
type letters struct {
	invoice, paid, creditNote letterWords
	reminders                 [LastWarning]letterWords
	notices                   map[string]letterWords
}

func lettersOf(language string) letters {
	if l, ok := letterWording[language]; ok {
		return l
	}
	return letterWording["de"]
}

// letterWording has the languages of accounts.
var letterWording = map[string]letters{
	"de": {
		invoice:    letterWords{"Rechnung {number}", "Guten Tag\n\nAnbei erhalten Sie die Rechnung {number} über CHF {total}. Bitte bezahlen Sie CHF {open} bis am {due}."},
		paid:       letterWords{"Rechnung {number}", "Guten Tag\n\nAnbei erhalten Sie die Rechnung {number} über CHF {total}. Sie ist bereits bezahlt, Sie müssen nichts tun."},
		creditNote: letterWords{"Gutschrift {number}", "Guten Tag\n\nAnbei erhalten Sie die Gutschrift {number} über CHF {total}. Sie wird mit der nächsten Rechnung verrechnet."},
		reminders: [LastWarning]letterWords{
			{"Zahlungserinnerung zur Rechnung {number}", "Guten Tag\n\nDie Rechnung {number} war am {due} fällig, CHF {open} sind noch offen. Sicher ist sie untergegangen. Ihre Terminerinnerungen laufen weiter."},
			{"Zweite Zahlungserinnerung zur Rechnung {number}", "Guten Tag\n\nVon der Rechnung {number}, fällig am {due}, sind CHF {open} noch offen. Bitte bezahlen Sie in den nächsten Tagen. Ihre Terminerinnerungen laufen vorerst weiter."},
			{"Terminerinnerungen stehen ab dem {suspend} still", "Guten Tag\n\nVon der Rechnung {number}, fällig am {due}, sind CHF {open} noch offen. Trifft die Zahlung nicht ein, werden ab dem {suspend} keine neuen Terminerinnerungen mehr verschickt. Ihr SMS-Guthaben bleibt Ihnen. Sobald die Zahlung da ist, läuft alles von selbst weiter."},
		},
		notices: map[string]letterWords{
			NoticeSuspended: {"Terminerinnerungen stehen still", "Guten Tag\n\nWeil eine Rechnung trotz Erinnerungen offen ist, werden keine neuen Terminerinnerungen mehr verschickt und die Kalender nicht mehr gelesen. Ihr SMS-Guthaben bleibt Ihnen. Sobald die Zahlung da ist, läuft alles von selbst weiter."},
			NoticeEnded:     {"Ihr Abonnement ist beendet", "Guten Tag\n\nIhr Abonnement ist wie gewünscht beendet. Die Kalender werden nicht mehr gelesen und keine Terminerinnerungen mehr verschickt. Sie können jederzeit wieder beginnen."},
		},
	},
	"fr": {
		invoice:    letterWords{"Facture {number}", "Bonjour,\n\nVous trouverez ci-joint la facture {number} de CHF {total}. Merci de régler CHF {open} jusqu’au {due}."},
		paid:       letterWords{"Facture {number}", "Bonjour,\n\nVous trouverez ci-joint la facture {number} de CHF {total}. Elle est déjà réglée, vous n’avez rien à faire."},
		creditNote: letterWords{"Note de crédit {number}", "Bonjour,\n\nVous trouverez ci-joint la note de crédit {number} de CHF {total}. Elle sera déduite de la prochaine facture."},
		reminders: [LastWarning]letterWords{
			{"Rappel de paiement de la facture {number}", "Bonjour,\n\nLa facture {number} était payable le {due}; CHF {open} restent ouverts. Il s’agit sûrement d’un oubli. Vos rappels de rendez-vous continuent."},
			{"Deuxième rappel de paiement de la facture {number}", "Bonjour,\n\nDe la facture {number}, payable le {due}, CHF {open} restent ouverts. Merci de régler ces prochains jours. Vos rappels de rendez-vous continuent pour l’instant."},
			{"Les rappels de rendez-vous s’arrêtent dès le {suspend}", "Bonjour,\n\nDe la facture {number}, payable le {due}, CHF {open} restent ouverts. Sans paiement, plus aucun nouveau rappel de rendez-vous ne partira dès le {suspend}. Votre crédit SMS vous reste acquis. Dès le paiement, tout reprend de soi-même."},
		},
		notices: map[string]letterWords{
			NoticeSuspended: {"Les rappels de rendez-vous sont arrêtés", "Bonjour,\n\nUne facture étant restée ouverte malgré nos rappels, plus aucun nouveau rappel de rendez-vous ne part et les agendas ne sont plus lus. Votre crédit SMS vous reste acquis. Dès le paiement, tout reprend de soi-même."},
			NoticeEnded:     {"Votre abonnement est terminé", "Bonjour,\n\nVotre abonnement est terminé, comme vous l’avez souhaité. Les agendas ne sont plus lus et plus aucun rappel ne part. Vous pouvez recommencer en tout temps."},
		},
	},
	"it": {
		invoice:    letterWords{"Fattura {number}", "Buongiorno\n\nIn allegato trovate la fattura {number} di CHF {total}. Vi preghiamo di pagare CHF {open} entro il {due}."},
		paid:       letterWords{"Fattura {number}", "Buongiorno\n\nIn allegato trovate la fattura {number} di CHF {total}. È già pagata, non dovete fare nulla."},
		creditNote: letterWords{"Nota di credito {number}", "Buongiorno\n\nIn allegato trovate la nota di credito {number} di CHF {total}. Sarà dedotta dalla prossima fattura."},
		reminders: [LastWarning]letterWords{
			{"Sollecito della fattura {number}", "Buongiorno\n\nLa fattura {number} scadeva il {due}; CHF {open} sono ancora aperti. Sarà sfuggita. I vostri promemoria continuano."},
			{"Secondo sollecito della fattura {number}", "Buongiorno\n\nDella fattura {number}, scaduta il {due}, CHF {open} sono ancora aperti. Vi preghiamo di pagare nei prossimi giorni. Per ora i vostri promemoria continuano."},
			{"I promemoria si fermano dal {suspend}", "Buongiorno\n\nDella fattura {number}, scaduta il {due}, CHF {open} sono ancora aperti. Senza pagamento, dal {suspend} non partiranno più nuovi promemoria. Il vostro credito SMS resta vostro. Con il pagamento tutto riprende da sé."},
		},
		notices: map[string]letterWords{
			NoticeSuspended: {"I promemoria sono fermi", "Buongiorno\n\nPoiché una fattura è rimasta aperta nonostante i solleciti, non partono più nuovi promemoria e le agende non vengono più lette. Il vostro credito SMS resta vostro. Con il pagamento tutto riprende da sé."},
			NoticeEnded:     {"Il vostro abbonamento è terminato", "Buongiorno\n\nIl vostro abbonamento è terminato come desiderato. Le agende non vengono più lette e non partono più promemoria. Potete ricominciare in ogni momento."},
		},
	},
	"en": {
		invoice:    letterWords{"Invoice {number}", "Hello\n\nAttached is invoice {number} for CHF {total}. Please pay CHF {open} by {due}."},
		paid:       letterWords{"Invoice {number}", "Hello\n\nAttached is invoice {number} for CHF {total}. It is paid already, there is nothing to do."},
		creditNote: letterWords{"Credit note {number}", "Hello\n\nAttached is credit note {number} for CHF {total}. It will be set off against the next invoice."},
		reminders: [LastWarning]letterWords{
			{"Reminder of invoice {number}", "Hello\n\nInvoice {number} was due on {due}; CHF {open} are still open. It has surely slipped through. Your appointment reminders go on."},
			{"Second reminder of invoice {number}", "Hello\n\nOf invoice {number}, due on {due}, CHF {open} are still open. Please pay within the next days. For now your appointment reminders go on."},
			{"Appointment reminders will stop on {suspend}", "Hello\n\nOf invoice {number}, due on {due}, CHF {open} are still open. Without a payment no new appointment reminders will be sent from {suspend} on. Your SMS credit stays yours. As soon as the payment is there, everything goes on by itself."},
		},
		notices: map[string]letterWords{
			NoticeSuspended: {"Appointment reminders have stopped", "Hello\n\nAs an invoice has stayed open in spite of reminders, no new appointment reminders are sent and the calendars aren’t read any more. Your SMS credit stays yours. As soon as the payment is there, everything goes on by itself."},
			NoticeEnded:     {"Your subscription has ended", "Hello\n\nYour subscription has ended as you wished. The calendars aren’t read and no reminders are sent any more. You can begin again at any time."},
		},
	},
}
